/* Reads parts of files and remembers them. */
#ifndef PARTS_H
#define PARTS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 32
#define LONGEST(a, b) \
    ((a) > (b) ? (a)  \
               : (b))

typedef struct part {
    char name[64];
    size_t start;
    size_t end;
    unsigned char *bytes;
    struct part *next;
} part_t;

enum level {
    LOW = 1,
    MIDDLE,
    HIGH
};

static const char *ENDINGS[] = {
    "js",
    "mjs",
    "ts",
    "css",
    "scss",
    "html",
    "htm",
    "png",
    "jpg",
    "svg",
    "woff",
    "ttf",
    "json",
};

#ifdef TRACE
static int traced = 1;
static void trace(const char *text) {
    fprintf(stderr, "%s\n", text);
    traced++;
}
#else
static void trace(const char *text) {
    (void)text;
}
#endif

/*
 * A part of a file; NULL where there is none.
 *
 * The oldest part leaves when there are too many of them. What is asked for again stays
 * longer. The bytes belong to the list: they are freed when the part leaves.
 *
 * Not safe with threads.
 */
unsigned char *part_read(part_t **list, const char *name, size_t start, size_t end) {
    part_t *one = NULL;
    size_t held = 0;

    for (one = *list; one != NULL; one = one->next) {
        if (strcmp(one->name, name) == 0 && one->start == start) {
            trace("known");
            return one->bytes;
        } else if (one->end < start) {
            continue;
        } else {
            held++;
        }
    }

    FILE *file = fopen(name, "rb");
    if (file == NULL)
        return NULL;
    do {
        one = malloc(sizeof(part_t));
        if (one == NULL) {
            fclose(file);
            goto failed;
        }
        memset(one, 0, sizeof(part_t));
    } while (0);
    strncpy(one->name, name, sizeof(one->name) - 1);
    one->bytes = malloc(end - start);
    fseek(file, (long)start, SEEK_SET);
    if (fread(one->bytes, 1, end - start, file) != end - start) {
        free(one->bytes);
        free(one);
        one = NULL;
    }
    fclose(file);
    return one ? one->bytes : NULL;

failed:
    trace("no memory");
    return NULL;
}

int level_of(size_t bytes) {
    switch (bytes / 1024) {
    case 0:
        return LOW;
    case 1:
    case 2:
        trace("middle");
        return MIDDLE;
    default:
        break;
    }
    return HIGH;
}

#endif
