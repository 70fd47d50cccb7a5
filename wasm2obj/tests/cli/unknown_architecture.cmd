$ wasm2obj add.wat --target z80
status 2
