//go:build linux

// Command soak drives the real tokencli against strictly rotating providers while everything goes wrong
// that can: crowds, signals, broken answers, stores that fail, clocks that are hours apart. It checks
// every token that is printed, finds out why a login was lost, and prints figures.
//
//	make soak SOAK_TIME=10m
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

var errDefects = errors.New("there were defects")

func run() error {
	binary := flag.String("binary", "", "the tokencli to be driven")
	stores := flag.String("stores", "keychain,file", "the stores to be soaked, side by side")
	long := flag.Duration("time", 10*time.Minute, "for how long")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "what is random follows from it")
	flag.Parse()
	path, err := filepath.Abs(*binary)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Fprintf(os.Stdout, "seed %d\n", *seed)

	var rigs []*rig
	out := &locked{w: os.Stdout}
	for store := range strings.SplitSeq(*stores, ",") {
		r, err := newRig(store, path, dir, *seed, out)
		if err != nil {
			return err
		}
		defer r.peer.http.Close()
		rigs = append(rigs, r)
	}
	start := time.Now()
	var wg sync.WaitGroup
	errs := make([]error, len(rigs))
	for i, r := range rigs {
		wg.Go(func() { errs[i] = r.soak(start.Add(*long)) })
	}
	wg.Wait()
	report(out, *seed, time.Since(start), rigs)
	for _, r := range rigs {
		if len(r.defects) > 0 {
			errs = append(errs, fmt.Errorf("%s: %w", r.store, errDefects))
		}
	}
	return errors.Join(errs...)
}

// locked is a writer for several at once.
type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
