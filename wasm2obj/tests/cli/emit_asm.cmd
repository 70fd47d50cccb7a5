$ wasm2obj add.wat --emit asm -o -
status 0
