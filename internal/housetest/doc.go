// Package housetest tests the house itself: that imports run downwards, that files
// and functions stay small, that every package says what it is for, and that the
// documents name what they must.
//
// It has tests only. It reads the source as text and runs none of it. Not checked:
// whether what a comment or a document says is true.
package housetest
