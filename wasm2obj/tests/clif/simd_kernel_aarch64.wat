;; wasm2obj --emit asm --target aarch64
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
;;   stp fp, lr, [sp, #-16]!
;;   mov fp, sp
;; block0:
;;   dup v16.4s, v0.s[0]
;;   b label1
;; block1:
;;   mov w0, w2
;;   ldr q17, [x0]
;;   mov w0, w3
;;   ldr q18, [x0]
;;   fmul v17.4s, v16.4s, v17.4s
;;   fadd v17.4s, v17.4s, v18.4s
;;   str q17, [x0]
;;   add w3, w3, #16
;;   add w2, w2, #16
;;   subs wzr, w3, w4
;;   b.lo label2 ; b label3
;; block2:
;;   b label1
;; block3:
;;   ldp fp, lr, [sp], #16
;;   ret
;;
