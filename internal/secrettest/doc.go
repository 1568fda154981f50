// Package secrettest encrypts for tests, with the libraries of SOPS and age themselves.
// What a test encrypts with it is what their commands would write.
package secrettest
