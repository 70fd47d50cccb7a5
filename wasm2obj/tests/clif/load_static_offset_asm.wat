;; wasm2obj --emit asm
(module
  (memory 1)
  (func (export "load") (param i32) (result i32)
    local.get 0
    i32.load offset=16))

;; ;; function 0 load, body at 0x27
;;   pushq %rbp
;;   movq %rsp, %rbp
;; block0:
;;   movl %edi, %esi
;;   movl 0x10(%rsi), %eax
;;   movq %rbp, %rsp
;;   popq %rbp
;;   retq
;;
