package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/gitsync/gitsync/secret"
)

func TestADamagedSecretKeyIsNoKey(t *testing.T) {
	for name, content := range map[string][]byte{
		"empty": nil, "cut": bytes.Repeat([]byte{7}, 12), "all zeros": make([]byte, secretKeyBytes),
		"zeros behind": append(bytes.Repeat([]byte{7}, 16), make([]byte, 16)...), "too long": bytes.Repeat([]byte{7}, 64),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "secrets.key")
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			log := zerolog.New(&said)
			s := &settings{redactor: &secret.Redactor{}, log: &log}

			// Where commits are verified, a person decides.
			s.verify.kind = "ssh"
			if _, err := s.secretKey(dir, true); err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("with --verify: %v", err)
			}
			s.verify.kind = ""
			if key, err := s.secretKey(dir, false); key != nil || err != nil {
				t.Errorf("who only looks got %x, %v", key, err)
			}
			key, err := s.secretKey(dir, true)
			if err != nil || !isSecretKey(key) {
				t.Fatalf("got %x, %v", key, err)
			}
			if again, err := s.secretKey(dir, true); err != nil || !bytes.Equal(again, key) {
				t.Errorf("the new key was not kept: %x, %v", again, err)
			}
			if strings.Count(said.String(), "is made again") != 1 {
				t.Errorf("said %s", said.String())
			}
		})
	}
}
