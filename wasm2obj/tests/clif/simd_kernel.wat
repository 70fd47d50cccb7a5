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
;;                                     v25 -> v3
;;                                     v4 = vconst.i8x16 const0
;;                                     ;; f32x4.splat
;; @002f                               v5 = splat.f32x4 v0
;; @002f                               v6 = bitcast.i8x16 little v5
;;                                     v8 -> v6
;;                                     ;; loop
;; @0033                               jump block1(v2, v1)
;;
;;                                 block1(v7: i32, v9: i32):
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
;; @004b                               store user2 little v20, v16                  ;; traps: out of bounds memory access
;;                                     ;; i32.const
;; @0051                               v21 = iconst.i32 16
;;                                     ;; i32.add
;; @0053                               v22 = iadd v9, v21  ; v21 = 16
;;                                     ;; i32.const
;; @0058                               v23 = iconst.i32 16
;;                                     ;; i32.add
;; @005a                               v24 = iadd v7, v23  ; v23 = 16
;;                                     ;; i32.lt_u
;; @005f                               v26 = icmp ult v24, v25
;;                                     ;; br_if
;; @0060                               brif v26, block1(v24, v22), block2
;;
;;                                 block2:
;;                                     ;; end
;; @0063                               return
;; }
;;
