package docker

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// maxLogs bounds what Logs returns.
const maxLogs = 64 << 10

// Logs implements runtime.LogReader.
func (r *Runtime) Logs(ctx context.Context, id string, lines int) (string, error) {
	inspected, err := r.api.ContainerInspect(ctx, id)
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
		_, err = stdcopy.StdCopy(&out, &out, limited)
	}
	if err != nil {
		return "", fmt.Errorf("read the log of container %s: %w", short(id), r.classify(ctx, err))
	}
	text := out.Bytes()
	return string(text[max(0, len(text)-maxLogs):]), nil
}
