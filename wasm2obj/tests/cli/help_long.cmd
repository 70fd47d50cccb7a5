$ wasm2obj --help
status 0
