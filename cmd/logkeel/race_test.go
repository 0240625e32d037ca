//go:build race

package main

const raced = true // this binary has the race detector
