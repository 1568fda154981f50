package forge

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
)

func TestTheKeyOfAnAppFollowsItsFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "key.pem")
	replace := func() *rsa.PrivateKey {
		t.Helper()
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		return key
	}
	first := replace()
	current, err := (&App{KeyFile: name}).openKey()
	if err != nil || !current(t.Context()).Equal(first) {
		t.Fatalf("the first key: %v", err)
	}
	second := replace()
	if !current(t.Context()).Equal(second) {
		t.Error("the key does not follow its file")
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if !current(t.Context()).Equal(second) {
		t.Error("the key is lost with its file")
	}
}
