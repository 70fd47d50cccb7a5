$ wasm2obj add.wat --emit asm --target aarch64 -o -
status 0
