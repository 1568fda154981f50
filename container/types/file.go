package types

// File is a file, or a directory, that is copied to or from a container.
type File struct {
	// Path is absolute in the container. On a copy to a container a trailing
	// slash makes it a directory, and Content must be empty.
	Path string `json:"path"`
	// Content is any bytes, not only text.
	Content string `json:"content"`
	// Mode holds the permission bits.
	Mode int64 `json:"mode"`
	// User is the owner: a uid, or a name in the container's /etc/passwd. Empty
	// means 0. A runtime reports uids.
	User string `json:"uid"`
	// Group is the group: a gid, or a name in the container's /etc/group. Empty
	// means 0. A runtime reports gids.
	Group string `json:"gid"`
}
