// Package types holds the values that the container library, the runtimes and
// the layout exchange: what a container should look like ([ContainerConfig]),
// what a runtime says about one ([ContainerStatus], [ContainerSummary]), and
// files that are copied to and from containers ([File]).
//
// The types carry no behaviour beyond questions about themselves, import
// nothing of gitsync's, and their JSON form is stable: the state branch and
// the spec digest are made of it.
package types
