package unlock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/keyservice"
	sopsyaml "github.com/getsops/sops/v3/stores/yaml"
	"google.golang.org/grpc"
)

// AllKinds are the kinds of keys that SOPS knows, in its own words.
var AllKinds = []string{"age", "pgp", "kms", "gcp_kms", "azure_kv", "hc_vault", "hckms"}

// DefaultKinds ask nobody on the network.
var DefaultKinds = []string{"age", "pgp"}

// openSOPS decrypts a YAML file, and checks that nothing in it was changed since it was
// encrypted. It returns all values by their names.
func (o *Opener) openSOPS(data []byte) (map[string]string, error) {
	store := sopsyaml.NewStore(&config.YAMLStoreConfig{})
	tree, err := store.LoadEncryptedFile(data)
	if err != nil {
		return nil, fmt.Errorf("sops: %w", err)
	}
	service := &keys{opener: o}
	key, err := tree.Metadata.GetDataKeyWithKeyServices([]keyservice.KeyServiceClient{service}, nil)
	if err != nil {
		// SOPS' own error says how many groups of keys failed, and not why.
		return nil, fmt.Errorf("sops: none of its keys opens it: %s", cmp.Or(strings.Join(service.reasons, "; "), err.Error()))
	}
	cipher := aes.NewCipher()
	mac, err := tree.Decrypt(key, cipher)
	if err != nil {
		return nil, errors.New("sops: it cannot be decrypted: it was changed by hand, or in a merge")
	}
	recorded, err := cipher.Decrypt(tree.Metadata.MessageAuthenticationCode, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil || recorded != mac {
		return nil, errors.New("sops: what is in it is not what was encrypted (its MAC is wrong): it was changed by hand, or in a merge; sops edit writes it anew")
	}
	values := map[string]string{}
	for _, branch := range tree.Branches {
		flatten("", branch, values)
	}
	return values, nil
}

func flatten(prefix string, branch sops.TreeBranch, values map[string]string) {
	for _, item := range branch {
		key, ok := item.Key.(string)
		if !ok {
			continue
		}
		switch value := item.Value.(type) {
		case sops.TreeBranch:
			flatten(prefix+key+".", value, values)
		case string:
			values[prefix+key] = value
		case int:
			values[prefix+key] = strconv.Itoa(value)
		case float64:
			values[prefix+key] = strconv.FormatFloat(value, 'f', -1, 64)
		case bool:
			values[prefix+key] = strconv.FormatBool(value)
		case time.Time:
			values[prefix+key] = value.Format(time.RFC3339Nano)
		}
	}
}

// keys is SOPS' key service with the agent's age keys, and without the kinds that the
// agent's configuration does not allow. It is for one file.
type keys struct {
	opener  *Opener
	reasons []string
}

var _ keyservice.KeyServiceClient = (*keys)(nil)

// Decrypt decrypts a data key.
func (k *keys) Decrypt(ctx context.Context, request *keyservice.DecryptRequest, _ ...grpc.CallOption) (*keyservice.DecryptResponse, error) {
	key, err := k.decrypt(ctx, request)
	if err != nil {
		if !slices.Contains(k.reasons, err.Error()) {
			k.reasons = append(k.reasons, err.Error())
		}
		return nil, err
	}
	return &keyservice.DecryptResponse{Plaintext: key}, nil
}

func (k *keys) decrypt(ctx context.Context, request *keyservice.DecryptRequest) ([]byte, error) {
	kind, where := kindOf(request.Key)
	opts := k.opener.opts
	switch {
	case !slices.Contains(opts.Kinds, kind):
		return nil, fmt.Errorf("a key of the kind %s is not allowed by the agent's configuration (--sops-keys)", kind)
	case kind == "age":
		return k.opener.decryptAgeKey(request.Ciphertext)
	case kind == "hc_vault" && strings.TrimRight(where, "/") != strings.TrimRight(opts.VaultAddress, "/"):
		return nil, fmt.Errorf("the file names the Vault %q, and $VAULT_ADDR is another one", where)
	}
	response, err := keyservice.Server{}.Decrypt(ctx, request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return response.GetPlaintext(), nil
}

// Encrypt is never called: nothing is encrypted here.
func (*keys) Encrypt(context.Context, *keyservice.EncryptRequest, ...grpc.CallOption) (*keyservice.EncryptResponse, error) {
	return nil, errors.ErrUnsupported
}

// kindOf names the kind of a key in SOPS' words, and where it is.
func kindOf(key *keyservice.Key) (kind, where string) {
	switch k := key.GetKeyType().(type) {
	case *keyservice.Key_AgeKey:
		return "age", ""
	case *keyservice.Key_PgpKey:
		return "pgp", k.PgpKey.GetFingerprint()
	case *keyservice.Key_KmsKey:
		return "kms", k.KmsKey.GetArn()
	case *keyservice.Key_GcpKmsKey:
		return "gcp_kms", k.GcpKmsKey.GetResourceId()
	case *keyservice.Key_AzureKeyvaultKey:
		return "azure_kv", k.AzureKeyvaultKey.GetVaultUrl()
	case *keyservice.Key_VaultKey:
		return "hc_vault", k.VaultKey.GetVaultAddress()
	case *keyservice.Key_HckmsKey:
		return "hckms", k.HckmsKey.GetKeyId()
	}
	return "unknown", ""
}
