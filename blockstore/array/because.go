package array

import "errors"

// because is why a call failed at several members, for people. Of which kind the
// whole is says who wraps it: that one member has no such block mustn't be found in
// an error that says that another one, which may have it, doesn't answer.
func because(errs ...error) error {
	if err := errors.Join(errs...); err != nil {
		return errors.New(err.Error())
	}
	return nil
}
