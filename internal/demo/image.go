package demo

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/gitsync/gitsync/runtime/docker"
)

// The images of the tour. The repository's name says what they are, and is used by
// nothing else.
const (
	firstImage  = "gitsync-demo/whoami:v1"
	secondImage = "gitsync-demo/whoami:v2"
)

// loadImages makes both images of the binary that runs.
func (d *tour) loadImages(ctx context.Context, engine *docker.Runtime) error {
	for _, image := range []string{firstImage, secondImage} {
		reader, writer := io.Pipe()
		go func() { writer.CloseWithError(writeRootFS(writer, d.binary)) }()
		err := engine.ImportImage(ctx, image, reader,
			[]string{"/gitsync", "demo-serve"}, []string{"WHOAMI_VERSION=" + image[len(image)-2:]})
		_ = reader.CloseWithError(io.ErrClosedPipe)
		if err != nil {
			return fmt.Errorf("load image %s: %w", image, err)
		}
		d.images = append(d.images, image)
	}
	return nil
}

// writeRootFS writes a file system that holds the binary and nothing else.
func writeRootFS(w io.Writer, binary string) error {
	f, err := os.Open(binary)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	if err := archive.WriteHeader(&tar.Header{Name: "gitsync", Mode: 0o755, Size: info.Size()}); err != nil {
		return err
	}
	if _, err := io.Copy(archive, f); err != nil {
		return err
	}
	return archive.Close()
}
