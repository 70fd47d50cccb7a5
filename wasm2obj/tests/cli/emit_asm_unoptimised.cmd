$ wasm2obj add.wat --emit asm --opt none -o -
status 0
