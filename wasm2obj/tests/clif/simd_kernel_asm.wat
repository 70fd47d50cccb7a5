;; wasm2obj --emit asm
(module
  (memory 1)
  ;; y[i] = a * x[i] + y[i] over four floats at a time.
  (func (export "saxpy") (param $a f32) (param $x i32) (param $y i32) (param $end i32)
    (local $factor v128)
    local.get $a
    f32x4.splat
    local.set $factor
    loop $next
      local.get $y
      local.get $factor
      local.get $x
      v128.load
      f32x4.mul
      local.get $y
      v128.load
      f32x4.add
      v128.store
      local.get $x
      i32.const 16
      i32.add
      local.set $x
      local.get $y
      i32.const 16
      i32.add
      local.tee $y
      local.get $end
      i32.lt_u
      br_if $next
    end))

;; ;; function 0 saxpy, body at 0x2a
;;   pushq %rbp
;;   movq %rsp, %rbp
;; block0:
;;   shufps $0x0, %xmm0, %xmm0
;;   jmp     label1
;; block1:
;;   movl %edi, %eax
;;   movdqu (%rax), %xmm1
;;   movl %esi, %eax
;;   movdqu (%rax), %xmm2
;;   movdqa %xmm0, %xmm3
;;   mulps %xmm1, %xmm3
;;   addps %xmm2, %xmm3
;;   movdqu %xmm3, (%rax)
;;   leal 0x10(%rsi), %esi
;;   leal 0x10(%rdi), %edi
;;   cmpl %edx, %esi
;;   jb      label2; j label3
;; block2:
;;   jmp     label1
;; block3:
;;   movq %rbp, %rsp
;;   popq %rbp
;;   retq
;;
