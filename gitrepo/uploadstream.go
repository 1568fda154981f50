package gitrepo

import (
	"context"

	"github.com/gitsync/gitsync/gitrepo/protocol"
)

// streamConversation is one with a command, on this machine or over SSH.
type streamConversation struct {
	*stream
	// limit is what may be read: the reader, which reads ahead, is one for all answers.
	limit  *budget
	reader *protocol.Reader
}

// openUpload starts upload-pack. With old it is not asked for version 2.
func (r *Remote) openUpload(ctx context.Context, old bool) (*streamConversation, error) {
	version := protocol.Version
	if old {
		version = ""
	}
	s, err := r.openStream(ctx, "upload-pack", version)
	if err != nil {
		return nil, err
	}
	c := &streamConversation{stream: s}
	c.reader = protocol.NewReader(c)
	return c, nil
}

// Read implements io.Reader: the command's output, within the limit of the answer that is
// read now.
func (c *streamConversation) Read(p []byte) (int, error) { return c.limit.reader(c.paced).Read(p) }

// greet implements conversation.
func (c *streamConversation) greet(_ context.Context, keep func(string) bool) (protocol.Server, []protocol.Ref, error) {
	c.limit = newBudget(maxRefs, "the list of references")
	server, refs, err := greeting(c.reader, keep)
	if err != nil {
		err = c.explain(err)
	}
	return server, refs, err
}

// ask implements conversation.
func (c *streamConversation) ask(_ context.Context, request []byte, p pace, limit *budget) (*protocol.Reader, error) {
	c.limit = limit
	c.paced.restart(p)
	if err := c.write(request, p.first); err != nil {
		return nil, c.explain(err)
	}
	return c.reader, nil
}

// Close implements conversation.
func (c *streamConversation) Close() error {
	c.leave()
	return nil
}
