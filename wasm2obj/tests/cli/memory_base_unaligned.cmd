$ wasm2obj add.wat --memory-base 0x1000
status 2
