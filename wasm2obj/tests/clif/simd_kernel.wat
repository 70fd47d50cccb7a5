;; wasm2obj --emit clif
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
;; function u0:0(f32, i32, i32, i32) tail {
;;     const0 = 0x00000000000000000000000000000000
;;
;;                                 block0(v0: f32, v1: i32, v2: i32, v3: i32):
;;                                     v26 -> v3
;;                                     v4 = vconst.i8x16 const0
;;                                     ;; f32x4.splat
;; @002f                               v5 = splat.f32x4 v0
;; @002f                               v6 = bitcast.i8x16 little v5
;;                                     v8 -> v6
;;                                     ;; loop
;; @0033                               jump block2(v2, v1)
;;
;;                                 block2(v7: i32, v9: i32):
;;                                     ;; v128.load
;; @003b                               v10 = uextend.i64 v9
;; @003b                               v11 = load.i8x16 user2 little v10            ;; traps: out of bounds memory access
;;                                     ;; f32x4.mul
;; @003f                               v12 = bitcast.f32x4 little v11
;; @003f                               v13 = bitcast.f32x4 little v8
;; @003f                               v14 = fmul v13, v12
;; @003f                               v15 = bitcast.i8x16 little v14
;;                                     ;; v128.load
;; @0044                               v16 = uextend.i64 v7
;; @0044                               v17 = load.i8x16 user2 little v16            ;; traps: out of bounds memory access
;;                                     ;; f32x4.add
;; @0048                               v18 = bitcast.f32x4 little v17
;; @0048                               v19 = fadd v14, v18
;; @0048                               v20 = bitcast.i8x16 little v19
;;                                     ;; v128.store
;; @004b                               v21 = uextend.i64 v7
;; @004b                               store user2 little v20, v21                  ;; traps: out of bounds memory access
;;                                     ;; i32.const
;; @0051                               v22 = iconst.i32 16
;;                                     ;; i32.add
;; @0053                               v23 = iadd v9, v22  ; v22 = 16
;;                                     ;; i32.const
;; @0058                               v24 = iconst.i32 16
;;                                     ;; i32.add
;; @005a                               v25 = iadd v7, v24  ; v24 = 16
;;                                     ;; i32.lt_u
;; @005f                               v27 = icmp ult v25, v26
;; @005f                               v28 = uextend.i32 v27
;;                                     ;; br_if
;; @0060                               brif v28, block2(v25, v23), block4
;;
;;                                 block4:
;;                                     ;; end
;; @0062                               jump block3
;;
;;                                 block3:
;;                                     ;; end
;; @0063                               jump block1
;;
;;                                 block1:
;; @0063                               return
;; }
;;
