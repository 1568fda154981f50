package docker

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
)

// keys are the fields of the engine's answer that are settings in containers.yaml, with
// the key. They are compared with what was asked for, or with what the image fills in.
var keys = map[string]string{
	"Name": "name", "Config.Image": "image", "Config.Cmd": "args", "Config.Entrypoint": "entrypoint", "Config.Env": "env",
	"Config.Labels": "labels", "Config.User": "user", "Config.WorkingDir": "workdir", "Config.Hostname": "hostname",
	"Config.Healthcheck": "healthcheck", "Config.StopTimeout": "stopTimeout",
	"HostConfig.NetworkMode": "networkMode", "HostConfig.PortBindings": "ports", "HostConfig.RestartPolicy": "restart",
	"HostConfig.CapAdd": "capAdd", "HostConfig.CapDrop": "capDrop", "HostConfig.ExtraHosts": "extraHosts",
	"HostConfig.PidMode": "pidMode", "HostConfig.Privileged": "privileged",
	"HostConfig.Tmpfs": "tmpfs", "HostConfig.Memory": "memory", "HostConfig.NanoCPUs": "cpus", "HostConfig.MemorySwap": "memorySwap",
	"Mounts.Type": "mounts", "Mounts.Name": "mounts", "Mounts.Source": "mounts", "Mounts.Destination": "mounts",
	"Mounts.RW": "mounts", "Mounts.Propagation": "mounts",
	"NetworkSettings.Networks.Aliases": "networks", "NetworkSettings.Networks.NetworkID": "networks",
	"NetworkSettings.Networks.IPAMConfig.IPv4Address": "networks", "NetworkSettings.Networks.IPAMConfig.IPv6Address": "networks",
	"NetworkSettings.Networks.IPAMConfig.LinkLocalIPs": "networks", "NetworkSettings.Networks.Links": "networks",
	"NetworkSettings.Networks.DriverOpts": "networks", "NetworkSettings.Networks.GwPriority": "networks",
}

// noSettings are the fields that say nothing about how a container was set up, and why.
var noSettings = map[string]string{
	"ID": "tells which container it is", "Created": "a time", "Path": "made of entrypoint and args", "Args": "made of entrypoint and args",
	"State": "what the container does, not how it is set up: presence", "Image": "compared with the record: image",
	"ResolvConfPath": "a file of the engine's", "HostnamePath": "a file of the engine's", "HostsPath": "a file of the engine's",
	"LogPath": "a file of the engine's", "RestartCount": "what the container does", "Driver": "the engine's storage",
	"Platform": "the image's", "MountLabel": "made of securityOpt", "ProcessLabel": "made of securityOpt",
	"AppArmorProfile": "made of securityOpt", "ExecIDs": "what people do inside", "GraphDriver": "the engine's storage",
	"SizeRw": "asked for on its own", "SizeRootFs": "asked for on its own", "ImageManifestDescriptor": "the image's",

	"Config.AttachStdin": "how the client was connected that created it", "Config.AttachStdout": "how the client was connected",
	"Config.AttachStderr": "how the client was connected", "Config.ExposedPorts": "has an effect with publishAllPorts only, which is compared",
	"Config.ArgsEscaped": "a note of an image for Windows", "Config.Volumes": "in Mounts", "Config.OnBuild": "a note of an image",
	"HostConfig.Binds": "in Mounts", "HostConfig.ContainerIDFile": "a file that the client wrote",
	"HostConfig.DNSOptions": "told with DNS", "HostConfig.DNSSearch": "told with DNS",
	"HostConfig.ConsoleSize": "the client's terminal",
	"Mounts.Driver":          "the volume's, which is there before the container", "Mounts.Mode": "in RW and Propagation; the rest acts once, at the creation",
	"NetworkSettings.Bridge": "the engine's", "NetworkSettings.SandboxID": "the engine's", "NetworkSettings.SandboxKey": "the engine's",
	"NetworkSettings.Ports": "the outcome of PortBindings", "NetworkSettings.HairpinMode": "never set",
	"NetworkSettings.LinkLocalIPv6Address": "never set", "NetworkSettings.LinkLocalIPv6PrefixLen": "never set",
	"NetworkSettings.SecondaryIPAddresses": "never set", "NetworkSettings.SecondaryIPv6Addresses": "never set",
	"NetworkSettings.EndpointID": "in Networks", "NetworkSettings.Gateway": "in Networks", "NetworkSettings.GlobalIPv6Address": "in Networks",
	"NetworkSettings.GlobalIPv6PrefixLen": "in Networks", "NetworkSettings.IPAddress": "in Networks", "NetworkSettings.IPPrefixLen": "in Networks",
	"NetworkSettings.IPv6Gateway": "in Networks", "NetworkSettings.MacAddress": "in Networks",
	"NetworkSettings.Networks.MacAddress": "may be a generated one; what was asked for is in Config.MacAddress",
	"NetworkSettings.Networks.EndpointID": "the engine's", "NetworkSettings.Networks.Gateway": "the network's",
	"NetworkSettings.Networks.IPAddress": "what the engine gave; what was asked for is in IPAMConfig", "NetworkSettings.Networks.IPPrefixLen": "the network's",
	"NetworkSettings.Networks.IPv6Gateway":       "the network's",
	"NetworkSettings.Networks.GlobalIPv6Address": "what the engine gave; what was asked for is in IPAMConfig", "NetworkSettings.Networks.GlobalIPv6PrefixLen": "the network's",
	"NetworkSettings.Networks.DNSNames": "made of name and aliases",
}

// fields are the paths of all fields of a struct; those of embedded structs are its own.
func fields(t reflect.Type, prefix string, nested map[string]reflect.Type) []string {
	var paths []string
	for _, f := range reflect.VisibleFields(t) {
		path := prefix + f.Name
		switch {
		case f.Anonymous:
		case nested[path] != nil:
			paths = append(paths, fields(nested[path], path+".", nested)...)
		default:
			paths = append(paths, path)
		}
	}
	return paths
}

// What an engine can tell is a setting of ours, or compared with the default, or none of
// our business for a reason: a new version of Docker's types adds nothing unseen.
func TestEveryFieldOfTheEnginesAnswerIsAccountedFor(t *testing.T) {
	t.Parallel()
	nested := map[string]reflect.Type{
		"Config": reflect.TypeFor[container.Config](), "HostConfig": reflect.TypeFor[container.HostConfig](),
		"Mounts": reflect.TypeFor[container.MountPoint](), "NetworkSettings": reflect.TypeFor[container.NetworkSettings](),
		"NetworkSettings.Networks": reflect.TypeFor[network.EndpointSettings](), "NetworkSettings.Networks.IPAMConfig": reflect.TypeFor[network.EndpointIPAMConfig](),
	}
	compared := map[string]string{}
	for _, s := range slices.Concat(unasked(), filled()) {
		compared[s.field] = s.key
	}
	all := fields(reflect.TypeFor[container.InspectResponse](), "", nested)
	for _, path := range all {
		n := 0
		for _, table := range []map[string]string{keys, noSettings, compared} {
			if table[path] != "" {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s is in %d tables, want 1: a key, a setting that is compared with the default, or no setting", path, n)
		}
	}
	for _, table := range []map[string]string{keys, noSettings, compared} {
		for _, path := range slices.Sorted(maps.Keys(table)) {
			if !slices.Contains(all, path) {
				t.Errorf("%s is no field of the engine's answer", path)
			}
		}
	}
}

// Each setting that is compared with the default says something when it differs from that,
// under a name of its own.
func TestEverySettingThatNobodyAskedForIsTold(t *testing.T) {
	t.Parallel()
	for _, s := range slices.Concat(unasked(), filled()) {
		t.Run(s.key, func(t *testing.T) {
			t.Parallel()
			c := container.InspectResponse{
				ContainerJSONBase: &container.ContainerJSONBase{HostConfig: &container.HostConfig{}}, Config: &container.Config{},
			}
			if is := s.is(c, imageSettings{known: true}); is != "" {
				t.Errorf("nothing was asked for, and it tells %q", is)
			}
			fill(fieldOf(reflect.ValueOf(c), s.field))
			if is := s.is(c, imageSettings{known: true}); is == "" {
				t.Errorf("it tells %q", is)
			}
		})
	}
}

func fieldOf(v reflect.Value, path string) reflect.Value {
	for name := range strings.SplitSeq(path, ".") {
		v = reflect.Indirect(v).FieldByName(name)
	}
	return v
}

// fill puts something into a value that is not its default.
func fill(v reflect.Value) {
	if v.Type() == reflect.TypeFor[mount.BindOptions]() {
		v.FieldByName("NonRecursive").SetBool(true)
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("x"), reflect.ValueOf("x"))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	}
}

// What an engine cannot say in any other way may hold a password: it is not told.
func TestOptionsThatMayHoldSecretsAreNotTold(t *testing.T) {
	t.Parallel()
	secret := map[string]string{"password": "sesame"}
	c := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{HostConfig: &container.HostConfig{
			Annotations: secret,
			Mounts:      []mount.Mount{{Target: "/share", VolumeOptions: &mount.VolumeOptions{DriverConfig: &mount.Driver{Options: secret}}}},
		}},
		Config: &container.Config{},
	}
	other := otherSettings(c, imageSettings{})
	if len(other) != 2 || strings.Contains(plain(other), "sesame") {
		t.Errorf("it tells %q", other)
	}
	settings := connectionSettings(&network.EndpointSettings{DriverOpts: secret})
	if len(settings) != 1 || strings.Contains(plain(settings), "sesame") {
		t.Errorf("it tells %q", settings)
	}
}

// A setting that an engine or an image gives by itself is none that somebody asked for.
func TestWhatTheEngineGivesByItselfIsNotTold(t *testing.T) {
	t.Parallel()
	unlimited, never := int64(-1), false
	c := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{HostConfig: &container.HostConfig{
			SecurityOpt: []string{"label=disable"}, UTSMode: "private",
			Resources: container.Resources{PidsLimit: &unlimited, MemorySwappiness: &unlimited, OomKillDisable: &never},
			Mounts:    []mount.Mount{{Target: "/x", BindOptions: &mount.BindOptions{Propagation: "rslave"}, VolumeOptions: &mount.VolumeOptions{}}},
		}},
		Config: &container.Config{StopSignal: "SIGQUIT", Shell: []string{"/bin/bash", "-c"}},
	}
	if other := otherSettings(c, imageSettings{known: true, stopSignal: "QUIT", shell: "/bin/bash -c"}); len(other) > 0 {
		t.Errorf("it tells %q", other)
	}
}
