package container

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// FromYaml restores what StateToYaml returned. Fields that it does not know are
// passed over, so that a record of the state branch can be read as it is.
func FromYaml(data []byte) (ContainersInterface, error) {
	c := &Containers{}
	if err := yaml.Unmarshal(data, c); err != nil {
		return nil, fmt.Errorf("parse containers: %w", err)
	}
	return c.New()
}

// plainContainer has the fields of a HostConfiguredContainer without its methods.
type plainContainer HostConfiguredContainer

// storedContainer is the JSON form: content that is no text travels in base64,
// since JSON strings cannot hold it.
type storedContainer struct {
	plainContainer
	Binary map[string]string `json:"configFilesBase64,omitempty"`
}

// MarshalJSON implements [json.Marshaler].
func (m HostConfiguredContainer) MarshalJSON() ([]byte, error) {
	stored := storedContainer{plainContainer: plainContainer(m), Binary: map[string]string{}}
	stored.ConfigFiles = maps.Clone(m.ConfigFiles)
	for p, content := range m.ConfigFiles {
		if !utf8.ValidString(content) {
			stored.Binary[p] = base64.StdEncoding.EncodeToString([]byte(content))
			delete(stored.ConfigFiles, p)
		}
	}
	return json.Marshal(stored)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (m *HostConfiguredContainer) UnmarshalJSON(data []byte) error {
	var stored storedContainer
	if err := json.Unmarshal(data, &stored); err != nil {
		return err
	}
	for p, encoded := range stored.Binary {
		content, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return fmt.Errorf("config file %s: %w", p, err)
		}
		if stored.ConfigFiles == nil {
			stored.ConfigFiles = map[string]string{}
		}
		stored.ConfigFiles[p] = string(content)
	}
	*m = HostConfiguredContainer(stored.plainContainer)
	return nil
}
