package secret_test

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"filippo.io/age/armor"

	"github.com/gitsync/gitsync/internal/secrettest"
	"github.com/gitsync/gitsync/secret"
)

func TestReferences(t *testing.T) {
	values := map[string]string{"db": "s3cret", "a.b": "nested", "loop": "${secret.db}"}
	cases := map[string]struct {
		text  string
		names []string
		want  string
		fails bool
	}{
		"nothing":                     {text: "postgres://x", want: "postgres://x"},
		"alone":                       {text: "${secret.db}", names: []string{"db"}, want: "s3cret"},
		"inside":                      {text: "pg://u:${secret.db}@h/${secret.a.b}", names: []string{"a.b", "db"}, want: "pg://u:s3cret@h/nested"},
		"twice":                       {text: "${secret.db}${secret.db}", names: []string{"db"}, want: "s3crets3cret"},
		"escaped":                     {text: "$${secret.db}", want: "${secret.db}"},
		"escaped and real":            {text: "$${secret.db} ${secret.db}", names: []string{"db"}, want: "${secret.db} s3cret"},
		"a value that looks like one": {text: "${secret.loop}", names: []string{"loop"}, want: "${secret.db}"},
		"unknown":                     {text: "${secret.x}", names: []string{"x"}, want: "${secret.x}", fails: true},
		"not closed":                  {text: "${secret.db", want: "${secret.db", fails: true},
		"other variables":             {text: "${HOME} ${vars.x}", want: "${HOME} ${vars.x}"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := secret.Names(c.text); !slices.Equal(got, c.names) {
				t.Errorf("names: got %q, want %q", got, c.names)
			}
			got, err := secret.Expand(c.text, values)
			if got != c.want || (err != nil) != c.fails {
				t.Errorf("got %q (%v), want %q", got, err, c.want)
			}
		})
	}
}

func TestMistakesInSecretFilesHavePositions(t *testing.T) {
	good := string(secrettest.SOPS(t, "db: hunter2\n", secrettest.NewKey(t)))
	cases := map[string]struct{ data, want string }{
		"clear text":     {"db: hunter2\n", "1:1 the file is not encrypted by SOPS"},
		"no YAML":        {"\tdb", "1:1 the file is no YAML that SOPS wrote"},
		"a list":         {"- db\n", "1:1 the file must be a mapping of names to secrets"},
		"two documents":  {good + "---\ndb: x\n", "the file has several YAML documents"},
		"one left clear": {"token: hunter2\n" + good, "1:8 secret token is not encrypted"},
		"an empty one":   {"token: \"\"\n" + good, "1:8 secret token is empty"},
		"a bad name":     {"\"to ken\": x\n" + good, `1:1 "to ken" is no name of a secret`},
		"a list inside":  {"token: [a]\n" + good, "1:8 secret token is a list or an alias"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, mistakes := secret.ParseSOPS([]byte(c.data))
			if len(mistakes) != 1 {
				t.Fatalf("got %+v, want one mistake", mistakes)
			}
			m := mistakes[0]
			if got := fmt.Sprintf("%d:%d %s", m.Line, m.Column, m.Message); !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if strings.Contains(m.Message+m.Hint, "hunter2") {
				t.Errorf("the mistake has the value: %+v", m)
			}
		})
	}
}

func TestACiphertextHasADigestOfItsOwn(t *testing.T) {
	key := secrettest.NewKey(t)
	one, _ := secret.ParseSOPS(secrettest.SOPS(t, "a: same\nb: same\n", key))
	two, _ := secret.ParseSOPS(secrettest.SOPS(t, "a: same\nb: same\n", key))
	if one["a"].Digest == one["b"].Digest || one["a"].Digest == two["a"].Digest {
		t.Errorf("digests of equal values are equal: %v, %v", one, two)
	}
}

func TestExternalSecretsAreReadWithAllMistakes(t *testing.T) {
	good := "secrets:\n  db: {exec: [vault, kv], timeout: 5s, hosts: [\"web*\"]}\n  tls: {file: /run/tls.key}\n  api: {env: TOKEN}\n"
	external, err := secret.ParseExternal([]byte(good), "secrets.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got := external.For("db1"); !slices.Equal(got, []string{"api", "tls"}) {
		t.Errorf("for db1: got %v", got)
	}
	if got := external.For("web1"); !slices.Equal(got, []string{"api", "db", "tls"}) {
		t.Errorf("for web1: got %v", got)
	}
	bad := "secrets:\n  db: {exec: vault, shell: true}\n  \"a b\": {env: X, file: y}\n  none: {timeout: never}\nmore: {}\n"
	_, err = secret.ParseExternal([]byte(bad), "secrets.yaml")
	for _, want := range []string{
		"secrets.yaml:2:14: exec: write the program", `secrets.yaml:2:21: unknown key "shell"`, `secrets.yaml:3:3: "a b" is no name`,
		"secrets.yaml:3:25: file: write an absolute path", "secret a b needs one of", "secrets.yaml:4:19: timeout: write", "secret none needs one of env, file and exec",
		`secrets.yaml:5:1: unknown key "more"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func FuzzSOPS(f *testing.F) {
	f.Add([]byte("a: ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]\nsops:\n  mac: x\n"))
	f.Add([]byte("sops: {mac: x}\na: {b: [1]}\n"))
	f.Add([]byte("a: &a [*a]\nsops: {mac: 1}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, mistakes := secret.ParseSOPS(data)
		for name, e := range entries {
			if !secret.ValidName(name) || e.Digest == "" {
				t.Errorf("entry %q: %+v", name, e)
			}
		}
		if len(entries) == 0 && len(mistakes) == 0 && !strings.Contains(string(data), "sops") {
			t.Error("a file without secrets has no mistake")
		}
	})
}

func FuzzExpand(f *testing.F) {
	f.Add("x${secret.db}y$${secret.db}", "value")
	f.Fuzz(func(t *testing.T, text, value string) {
		values := map[string]string{}
		for _, name := range secret.Names(text) {
			values[name] = value
		}
		if _, err := secret.Expand(text, values); err != nil && secret.Open(text) == "" {
			t.Errorf("%q: %v", text, err)
		}
	})
}

func FuzzExternal(f *testing.F) {
	f.Add([]byte("secrets: {a: {exec: [x]}}"))
	f.Fuzz(func(_ *testing.T, data []byte) { _, _ = secret.ParseExternal(data, "x") })
}

func TestACopyOfACiphertextHasItsDigestHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	key := secrettest.NewKey(t)
	file := string(secrettest.SOPS(t, "a: one-one-one\n", key))
	text := regexp.MustCompile(`(?m)^a: (.*)$`).FindStringSubmatch(file)[1]
	entries, _ := secret.ParseSOPS([]byte(file))
	for _, other := range []string{secrettest.OtherBits(text), strings.Replace(text, "type:str]", "type:bytes]", 1)} {
		copied, mistakes := secret.ParseSOPS([]byte(strings.Replace(file, text, other, 1)))
		if other == text || len(mistakes) > 0 || copied["a"].Digest != entries["a"].Digest {
			t.Errorf("%s has another digest than %s (%v)", other, text, mistakes)
		}
	}
	armored := secrettest.Age(t, "content", true, key)
	plain, err := io.ReadAll(armor.NewReader(bytes.NewReader(armored)))
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range [][]byte{plain, bytes.ReplaceAll(armored, []byte("\n"), []byte("\r\n")), append([]byte("\n \n"), armored...), append(armored, " \n"...)} {
		var one, two secret.Sealed
		one.AddFile("x", armored)
		two.AddFile("x", other)
		if name := secret.FileName("x"); one.Entries[name].Digest != two.Entries[name].Digest {
			t.Errorf("%q has another digest", other)
		}
	}
}
