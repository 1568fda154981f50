// Package pin writes digests behind the tags of images, in the files of a repo.
//
// A tag may stand for another image tomorrow; a digest never does. [Run] finds the images
// in hosts/*/containers.yaml and groups/*/containers.yaml, asks what their tags stand for,
// and puts @sha256:… behind them:
//
//  1. The files are read as the layout reads them, symbolic links refused.
//  2. Of each image the place of its text in the file is found ([Find]). One with variables
//     is what the hosts make of it, by the layout; where they differ it is left as it is.
//  3. Each tag is asked for once, several at a time.
//  4. In each file the bytes of those texts are replaced, and no others ([Edit]); the result
//     is read again, and must be the same YAML but for them, comments included.
//  5. When all of that is done for all files, each is replaced in one step. When anything
//     failed none is.
package pin
