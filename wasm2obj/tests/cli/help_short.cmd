$ wasm2obj -h
status 0
