/*
 * A sample of the language, for tests.
 */
package org.example.parts;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import static java.util.Objects.requireNonNull;

/**
 * Reads parts of files and remembers them.
 *
 * <p>The oldest part leaves when there are too many. Not safe with threads: whoever shares
 * one has to lock it.
 *
 * @param <K> what parts are named by
 */
@SuppressWarnings("unchecked")
public final class Sample<K extends Comparable<K>> implements AutoCloseable {
    private static final int LIMIT = 32;
    private static final String[] ENDINGS = {
        "js", "mjs", "ts", "css",
        "html", "htm",
    };

    private final Map<K, byte[]> parts = new LinkedHashMap<>();
    private final Path root;
    private int misses;

    public Sample(Path root) {
        this.root = requireNonNull(root);
        this.misses = 0;
    }

    /** How many parts are held. */
    public int size() {
        return parts.size();
    }

    /**
     * A part of a file.
     *
     * @throws IOException where it cannot be read
     */
    public byte[] read(K key, String name) throws IOException {
        byte[] known = parts.remove(key);
        if (known != null) {
            parts.put(key, known);
            return known;
        } else if (name.isEmpty()) {
            throw new IllegalArgumentException("no name");
        } else {
            misses++;
        }

        try (var lines = Files.lines(root.resolve(name))) {
            StringBuilder out = new StringBuilder();
            lines.forEach(line -> {
                out.append(line);
                out.append('\n');
            });
            known = out.toString().getBytes();
        } catch (IOException | RuntimeException error) {
            misses--;
            throw error;
        } finally {
            while (parts.size() > LIMIT) {
                K oldest = parts.keySet().iterator().next();
                parts.remove(oldest);
            }
        }
        parts.put(key, known);
        return known;
    }

    @Override
    public void close() {
        parts.clear();
    }

    static String kindOf(String name) {
        int dot = name.lastIndexOf('.');
        switch (dot < 0 ? "" : name.substring(dot + 1)) {
            case "":
                return "none";
            case "map":
            case "lock":
                return "made";
            default:
                for (String ending : ENDINGS) {
                    if (name.endsWith(ending)) {
                        return "script";
                    }
                }
                return "other";
        }
    }

    enum Level {
        LOW("low"),
        HIGH("high");

        private final String said;

        Level(String said) {
            this.said = said;
        }

        String said() {
            return said;
        }
    }

    interface Visitor {
        void visit(String name, byte[] part);

        default List<String> names() {
            List<String> out = new ArrayList<>();
            out.add("none");
            out.add("made");
            return out;
        }
    }

    record Part(String name, int start, int end) {
        Part {
            if (start > end) {
                throw new IllegalArgumentException(name);
            }
        }
    }
}
