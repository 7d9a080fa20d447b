// Package parts reads parts of files and remembers them.
package parts

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// ErrNone says that there is no such part.
var ErrNone = errors.New("parts: no such part")

const (
	limit = 32
	small = iota
	large
)

// Reader holds parts of files.
type Reader struct {
	mu    sync.Mutex
	root  string
	parts map[string][]byte
	order []string
}

// Source gives the bytes of a file.
type Source interface {
	Open(name string) ([]byte, error)
	Names() []string
}

var kinds = map[string]string{
	"js":   "script",
	"mjs":  "script",
	"ts":   "script",
	"css":  "style",
	"scss": "style",
	"html": "page",
	"htm":  "page",
	"png":  "image",
	"jpg":  "image",
	"svg":  "image",
	"woff": "font",
	"ttf":  "font",
	"json": "data",
}

// New makes a reader for a folder.
func New(root string) (*Reader, error) {
	if root == "" {
		return nil, fmt.Errorf("parts: no folder: %w", ErrNone)
	}
	return &Reader{root: root, parts: make(map[string][]byte)}, nil
}

// Read gives a part of a file.
//
// The oldest part leaves when there are too many of them. What is asked for
// again stays longer. A file that is not there is no error: the part is
// empty, and so is what is remembered of it.
// Callers that need to know ask for the size first.
func (r *Reader) Read(name string, start, end int) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()

	key := fmt.Sprintf("%s:%d-%d", name, start, end)
	if part, ok := r.parts[key]; ok {
		return part, nil
	} else if start > end {
		return nil, ErrNone
	} else {
		r.order = append(r.order, key)
	}

	whole, err := os.ReadFile(r.root + "/" + name)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	default:
		if end > len(whole) {
			end = len(whole)
		}
	}
	for len(r.order) > limit {
		oldest := r.order[0]
		r.order = r.order[1:]
		delete(r.parts, oldest)
	}
	r.parts[key] = whole[start:end]
	return r.parts[key], nil
}

func watch(done <-chan struct{}, names chan string, r *Reader) {
	for {
		select {
		case <-done:
			return
		case name := <-names:
			go func() {
				_, err := r.Read(name, 0, small)
				if err != nil {
					fmt.Println(err)
				}
			}()
		}
	}
}

func kindOf(value any) string {
	switch v := value.(type) {
	case string:
		if kind, ok := kinds[v]; ok {
			return kind
		}
		return "other"
	case fmt.Stringer:
		return kindOf(v.String())
	}
	return "none"
}
