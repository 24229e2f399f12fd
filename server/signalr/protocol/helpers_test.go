package protocol

import "reflect"

func dereference(pointer any) any { return reflect.ValueOf(pointer).Elem().Interface() }
