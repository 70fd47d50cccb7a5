$ wasm2obj add.wat --emit clif -o -
status 0
