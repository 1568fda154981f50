package layout_test

import (
	"testing"
)

func TestAnEmptyCommandIsAWarningWithItsPlace(t *testing.T) {
	repo := load(t, tree(map[string]string{
		"groups/base/containers.yaml": "containers:\n  web:\n    args: []\n",
		"hosts/db1/host.yaml":         "groups: [base]\n",
		"hosts/db1/containers.yaml":   "containers:\n  web: {image: nginx, entrypoint: [ ]}\n",
		"hosts/web1/host.yaml":        "groups: [base]\nagent: true\n",
		"hosts/web1/containers.yaml":  "containers:\n  web: {image: nginx, capAdd: [], tmpfs: []}\n  db: {image: postgres, args: [-v]}\n",
	}))
	if err := repo.Mistakes().Err(); err != nil || len(repo.Hosts) != 2 {
		t.Fatalf("got %d hosts and the mistakes %v, want two and none", len(repo.Hosts), err)
	}
	const want = `groups/base/containers.yaml:3:11: args: [] stands for the image's, and does not clear it (leave it out)
hosts/db1/containers.yaml:2:35: entrypoint: [] stands for the image's, and does not clear it (leave it out)`
	if got := repo.Warnings.Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if c := repo.Hosts[0].Containers["web"].Container.Config; c.Args != nil || c.Entrypoint != nil {
		t.Errorf("got %v and %v, want what the image has", c.Args, c.Entrypoint)
	}
}

func TestWhatNoEngineTakesIsAMistakeWithItsPlace(t *testing.T) {
	repo := load(t, tree(map[string]string{"hosts/web1/containers.yaml": `containers:
  web:
    image: nginx
    user: 2147483647
    group: "4294967296"
    extraHosts:
      gateway: [10.0.0.1, "fe80::2%eth1"]
      empty: []
    tmpfs: {/run: "size=1mb"}
  db:
    image: postgres
    group: staff
`}))
	const want = `hosts/web1/containers.yaml:4:11: user "2147483647" is above 2147483646 (write a smaller number)
hosts/web1/containers.yaml:5:12: group "4294967296" is above 2147483646 (write a smaller number)
hosts/web1/containers.yaml:7:27: extraHosts "gateway" has an address with a zone, which no engine takes: "fe80::2%eth1" (write an IP address, or host-gateway)
hosts/web1/containers.yaml:8:7: extraHosts "empty" has no value (write an IP address, or leave the name out)
hosts/web1/containers.yaml:9:13: tmpfs "/run" has broken options "size=1mb" (write for example size=64m,mode=1777)
hosts/web1/containers.yaml:10:3: container "db" has a group and no user (write user too)`
	if got := repo.Mistakes().Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
