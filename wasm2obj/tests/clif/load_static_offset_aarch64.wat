;; wasm2obj --emit asm --target aarch64
(module
  (memory 1)
  (func (export "load") (param i32) (result i32)
    local.get 0
    i32.load offset=16))

;; ;; function 0 load, body at 0x27
;;   stp fp, lr, [sp, #-16]!
;;   mov fp, sp
;; block0:
;;   mov w3, w2
;;   ldr w2, [x3, #16]
;;   ldp fp, lr, [sp], #16
;;   ret
;;
