//go:build tools

// Package tools names the command that is built, so that go.mod lists what it needs.
package tools

import _ "k8s.io/kube-state-metrics/v2"
