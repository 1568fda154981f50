package docker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/docker/docker/api/types/container"
)

// maxLogs bounds what Logs returns.
const maxLogs = 64 << 10

// Logs implements runtime.LogReader.
func (r *Runtime) Logs(ctx context.Context, id string, lines int) (string, error) {
	inspected, err := r.inspect(ctx, id)
	if err != nil {
		return "", fmt.Errorf("read the log of container %s: %w", short(id), r.classify(ctx, err))
	}
	stream, err := r.api.ContainerLogs(ctx, id, container.LogsOptions{
		ShowStdout: true, ShowStderr: true, Tail: strconv.Itoa(lines),
	})
	if err != nil {
		return "", fmt.Errorf("read the log of container %s: %w", short(id), r.classify(ctx, err))
	}
	defer func() { _ = stream.Close() }()
	var out bytes.Buffer
	limited := io.LimitReader(stream, 4*maxLogs)
	if inspected.Config.Tty {
		_, err = io.Copy(&out, limited)
	} else {
		err = demux(&out, limited)
	}
	if err != nil {
		return "", fmt.Errorf("read the log of container %s: %w", short(id), r.classify(ctx, err))
	}
	text := out.Bytes()
	return string(text[max(0, len(text)-maxLogs):]), nil
}

// demux takes the log out of the frames in which both outputs share a stream. The
// library's own reserves as much memory as a frame claims to need.
func demux(out io.Writer, stream io.Reader) error {
	for {
		var head [8]byte
		_, err := io.ReadFull(stream, head[:])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if head[0] > 3 {
			return fmt.Errorf("%w: a part of the log is of kind %d", errAnswer, head[0])
		}
		_, err = io.CopyN(out, stream, int64(binary.BigEndian.Uint32(head[4:])))
		if errors.Is(err, io.EOF) {
			return nil // the log is cut where there is enough of it
		}
		if err != nil {
			return err
		}
	}
}
