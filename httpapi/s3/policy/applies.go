package policy

import "strings"

// CheckNew refuses denials that can't apply to any request, as AWS does when they are
// put: an action that none of the resources has, a condition on what none of the
// actions asks. Whoever wrote one believes something to be denied that isn't. AWS
// refuses an allowance of that kind, too, which does no harm: RGW's clients put them
// (ceph/s3-tests). Policies that a bucket has already stay readable. Its errors wrap
// ErrMalformed.
func (p *Policy) CheckNew(bucket string) error {
	for i := range p.statements {
		if err := p.statements[i].applies(bucket); err != nil {
			return err
		}
	}
	return nil
}

func (s *statement) applies(bucket string) error {
	if s.actions.not || s.effect != Deny {
		return nil
	}
	if !s.resources.not {
		onBucket, onObjects := s.resources.reach(bucket)
		for _, a := range s.actions.patterns {
			if !a.applies(onBucket, onObjects) {
				return malformed("the action %q does not apply to any resource in its statement", a.text())
			}
		}
	}
	for i := range s.conditions {
		switch key := s.conditions[i].key; key {
		case "s3:prefix", "s3:delimiter", "s3:max-keys":
			if !s.actions.match("s3:ListBucket") && !s.actions.match("s3:ListBucketVersions") && !s.actions.match("s3:ListBucketMultipartUploads") {
				return malformed("the condition on %q does not apply to any action in its statement", key)
			}
		}
	}
	return nil
}

// reach tells whether the resources have the bucket itself, and objects in it.
func (rs *resources) reach(bucket string) (itself, objects bool) {
	for _, p := range rs.patterns {
		itself = itself || p.overlaps(bucket)
		objects = objects || strings.Contains(p.text(), "/") || p.has(variable) || reaches(p, bucket)
	}
	return itself, objects
}

// applies reports whether some action that the pattern names is about a bucket or
// about objects, as they are there. Actions about neither aren't judged.
func (p pattern) applies(onBucket, onObjects bool) bool {
	for _, name := range actionNames() {
		if !p.match("s3:" + strings.ToLower(name)) {
			continue
		}
		ofObjects, ofBucket := aboutObjects(name), aboutBuckets(name)
		if ofObjects && onObjects || ofBucket && onBucket || !ofObjects && !ofBucket {
			return true
		}
	}
	return false
}

func aboutObjects(action string) bool {
	switch action {
	case "AbortMultipartUpload", "ListMultipartUploadParts", "BypassGovernanceRetention", "ReplicateDelete", "ReplicateTags", "InitiateReplication",
		"ObjectOwnerOverrideToBucketOwner":
		return true
	}
	return strings.Contains(action, "Object") && !strings.Contains(action, "Bucket") && !strings.Contains(action, "Lambda")
}

func aboutBuckets(action string) bool {
	for _, verb := range []string{"List", "Create", "Delete", "Get", "Put"} {
		if strings.HasPrefix(action, verb+"Bucket") {
			return true
		}
	}
	what, isConfiguration := strings.CutSuffix(strings.TrimPrefix(strings.TrimPrefix(action, "Get"), "Put"), "Configuration")
	if !isConfiguration {
		return false
	}
	switch what {
	case "Accelerate", "Analytics", "Encryption", "IntelligentTiering", "Inventory", "Lifecycle", "Metrics", "Replication":
		return true
	}
	return false
}
