// MNIST-MLP: one training step in f32.
// netspec 09940aeb032c02e4a740b28e08016953b6a08541f6d71e9df6593e44292d058e
module @train_step {
  func.func @train_step(
    %dense1_w: tensor<784x512xf32>,
    %dense1_b: tensor<512xf32>,
    %dense2_w: tensor<512x512xf32>,
    %dense2_b: tensor<512xf32>,
    %dense3_w: tensor<512x10xf32>,
    %dense3_b: tensor<10xf32>,
    %dense1_w_m: tensor<784x512xf32>,
    %dense1_b_m: tensor<512xf32>,
    %dense2_w_m: tensor<512x512xf32>,
    %dense2_b_m: tensor<512xf32>,
    %dense3_w_m: tensor<512x10xf32>,
    %dense3_b_m: tensor<10xf32>,
    %dense1_w_v: tensor<784x512xf32>,
    %dense1_b_v: tensor<512xf32>,
    %dense2_w_v: tensor<512x512xf32>,
    %dense2_b_v: tensor<512xf32>,
    %dense3_w_v: tensor<512x10xf32>,
    %dense3_b_v: tensor<10xf32>,
    %x: tensor<128x784xf32>,
    %labels: tensor<128xi32>,
    %lr: tensor<f32>,
    %t: tensor<f32>
  ) -> (tensor<f32>, tensor<784x512xf32>, tensor<512xf32>, tensor<512x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>, tensor<784x512xf32>, tensor<512xf32>, tensor<512x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>, tensor<784x512xf32>, tensor<512xf32>, tensor<512x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>, tensor<784x512xf32>, tensor<512xf32>, tensor<512x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>) {
    // dense1: Dense 784 -> 512
    %dense1_x_blocks = stablehlo.reshape %x : (tensor<128x784xf32>) -> tensor<128x2x392xf32>
    %dense1_w_blocks = stablehlo.reshape %dense1_w : (tensor<784x512xf32>) -> tensor<2x392x512xf32>
    %dense1_xw_blocks = stablehlo.dot_general %dense1_x_blocks, %dense1_w_blocks, batching_dims = [1] x [0], contracting_dims = [2] x [1] : (tensor<128x2x392xf32>, tensor<2x392x512xf32>) -> tensor<2x128x512xf32>
    %c_0 = stablehlo.constant dense<0.0> : tensor<f32>
    %dense1_xw = stablehlo.reduce(%dense1_xw_blocks init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<2x128x512xf32>, tensor<f32>) -> tensor<128x512xf32>
    %dense1_b_rows = stablehlo.broadcast_in_dim %dense1_b, dims = [1] : (tensor<512xf32>) -> tensor<128x512xf32>
    %dense1_y = stablehlo.add %dense1_xw, %dense1_b_rows : tensor<128x512xf32>
    // dense1.relu: Relu 512 -> 512
    %c_0_128_512 = stablehlo.constant dense<0.0> : tensor<128x512xf32>
    %dense1_relu_y = stablehlo.maximum %dense1_y, %c_0_128_512 : tensor<128x512xf32>
    // dense2: Dense 512 -> 512
    %dense2_xw = stablehlo.dot_general %dense1_relu_y, %dense2_w, contracting_dims = [1] x [0] : (tensor<128x512xf32>, tensor<512x512xf32>) -> tensor<128x512xf32>
    %dense2_b_rows = stablehlo.broadcast_in_dim %dense2_b, dims = [1] : (tensor<512xf32>) -> tensor<128x512xf32>
    %dense2_y = stablehlo.add %dense2_xw, %dense2_b_rows : tensor<128x512xf32>
    // dense2.relu: Relu 512 -> 512
    %dense2_relu_y = stablehlo.maximum %dense2_y, %c_0_128_512 : tensor<128x512xf32>
    // dense3: Dense 512 -> 10
    %dense3_xw = stablehlo.dot_general %dense2_relu_y, %dense3_w, contracting_dims = [1] x [0] : (tensor<128x512xf32>, tensor<512x10xf32>) -> tensor<128x10xf32>
    %dense3_b_rows = stablehlo.broadcast_in_dim %dense3_b, dims = [1] : (tensor<10xf32>) -> tensor<128x10xf32>
    %dense3_y = stablehlo.add %dense3_xw, %dense3_b_rows : tensor<128x10xf32>
    // Loss: SoftmaxCrossEntropy
    %c_minf = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %loss_max = stablehlo.reduce(%dense3_y init: %c_minf) applies stablehlo.maximum across dimensions = [1] : (tensor<128x10xf32>, tensor<f32>) -> tensor<128xf32>
    %loss_max_row = stablehlo.broadcast_in_dim %loss_max, dims = [0] : (tensor<128xf32>) -> tensor<128x10xf32>
    %loss_shifted = stablehlo.subtract %dense3_y, %loss_max_row : tensor<128x10xf32>
    %loss_exp = stablehlo.exponential %loss_shifted : tensor<128x10xf32>
    %loss_exp_total = stablehlo.reduce(%loss_exp init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x10xf32>, tensor<f32>) -> tensor<128xf32>
    %loss_log_total = stablehlo.log %loss_exp_total : tensor<128xf32>
    %loss_log_total_row = stablehlo.broadcast_in_dim %loss_log_total, dims = [0] : (tensor<128xf32>) -> tensor<128x10xf32>
    %loss_log_p = stablehlo.subtract %loss_shifted, %loss_log_total_row : tensor<128x10xf32>
    %loss_class = stablehlo.iota dim = 1 : tensor<128x10xi32>
    %loss_label = stablehlo.broadcast_in_dim %labels, dims = [0] : (tensor<128xi32>) -> tensor<128x10xi32>
    %loss_is_label = stablehlo.compare EQ, %loss_class, %loss_label, SIGNED : (tensor<128x10xi32>, tensor<128x10xi32>) -> tensor<128x10xi1>
    %c_1_128_10 = stablehlo.constant dense<1.0> : tensor<128x10xf32>
    %c_0_128_10 = stablehlo.constant dense<0.0> : tensor<128x10xf32>
    %loss_target = stablehlo.select %loss_is_label, %c_1_128_10, %c_0_128_10 : tensor<128x10xi1>, tensor<128x10xf32>
    %loss_picked = stablehlo.multiply %loss_target, %loss_log_p : tensor<128x10xf32>
    %loss_log_likelihoods = stablehlo.reduce(%loss_picked init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x10xf32>, tensor<f32>) -> tensor<128xf32>
    %loss_log_likelihood = stablehlo.reduce(%loss_log_likelihoods init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128xf32>, tensor<f32>) -> tensor<f32>
    %loss_total = stablehlo.negate %loss_log_likelihood : tensor<f32>
    %c_128 = stablehlo.constant dense<128.0> : tensor<f32>
    %loss_mean = stablehlo.divide %loss_total, %c_128 : tensor<f32>
    %loss_exp_total_row = stablehlo.broadcast_in_dim %loss_exp_total, dims = [0] : (tensor<128xf32>) -> tensor<128x10xf32>
    %loss_p = stablehlo.divide %loss_exp, %loss_exp_total_row : tensor<128x10xf32>
    %loss_excess = stablehlo.subtract %loss_p, %loss_target : tensor<128x10xf32>
    %c_128_128_10 = stablehlo.constant dense<128.0> : tensor<128x10xf32>
    %loss_dz = stablehlo.divide %loss_excess, %c_128_128_10 : tensor<128x10xf32>
    // dense3: backward
    %d_dense3_dw = stablehlo.dot_general %dense2_relu_y, %loss_dz, contracting_dims = [0] x [0] : (tensor<128x512xf32>, tensor<128x10xf32>) -> tensor<512x10xf32>
    %d_dense3_db = stablehlo.reduce(%loss_dz init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x10xf32>, tensor<f32>) -> tensor<10xf32>
    %d_dense3_dx = stablehlo.dot_general %loss_dz, %dense3_w, contracting_dims = [1] x [1] : (tensor<128x10xf32>, tensor<512x10xf32>) -> tensor<128x512xf32>
    // dense2.relu: backward
    %d_dense2_relu_positive = stablehlo.compare GT, %dense2_relu_y, %c_0_128_512, FLOAT : (tensor<128x512xf32>, tensor<128x512xf32>) -> tensor<128x512xi1>
    %d_dense2_relu_dx = stablehlo.select %d_dense2_relu_positive, %d_dense3_dx, %c_0_128_512 : tensor<128x512xi1>, tensor<128x512xf32>
    // dense2: backward
    %d_dense2_dw = stablehlo.dot_general %dense1_relu_y, %d_dense2_relu_dx, contracting_dims = [0] x [0] : (tensor<128x512xf32>, tensor<128x512xf32>) -> tensor<512x512xf32>
    %d_dense2_db = stablehlo.reduce(%d_dense2_relu_dx init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x512xf32>, tensor<f32>) -> tensor<512xf32>
    %d_dense2_dx = stablehlo.dot_general %d_dense2_relu_dx, %dense2_w, contracting_dims = [1] x [1] : (tensor<128x512xf32>, tensor<512x512xf32>) -> tensor<128x512xf32>
    // dense1.relu: backward
    %d_dense1_relu_positive = stablehlo.compare GT, %dense1_relu_y, %c_0_128_512, FLOAT : (tensor<128x512xf32>, tensor<128x512xf32>) -> tensor<128x512xi1>
    %d_dense1_relu_dx = stablehlo.select %d_dense1_relu_positive, %d_dense2_dx, %c_0_128_512 : tensor<128x512xi1>, tensor<128x512xf32>
    // dense1: backward
    %d_dense1_dw = stablehlo.dot_general %x, %d_dense1_relu_dx, contracting_dims = [0] x [0] : (tensor<128x784xf32>, tensor<128x512xf32>) -> tensor<784x512xf32>
    %d_dense1_db = stablehlo.reduce(%d_dense1_relu_dx init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x512xf32>, tensor<f32>) -> tensor<512xf32>
    // Gradients
    %dense1_w_grad, %dense1_b_grad, %dense2_w_grad, %dense2_b_grad, %dense3_w_grad, %dense3_b_grad = stablehlo.optimization_barrier %d_dense1_dw, %d_dense1_db, %d_dense2_dw, %d_dense2_db, %d_dense3_dw, %d_dense3_db : tensor<784x512xf32>, tensor<512xf32>, tensor<512x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>
    // dense1.w: update
    %dense1_w_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<784x512xf32>
    %c_0p9_784_512 = stablehlo.constant dense<0.9> : tensor<784x512xf32>
    %dense1_w_m_new_kept = stablehlo.multiply %dense1_w_m, %c_0p9_784_512 : tensor<784x512xf32>
    %c_0p09999999999999998_784_512 = stablehlo.constant dense<0.09999999999999998> : tensor<784x512xf32>
    %dense1_w_m_new_added = stablehlo.multiply %dense1_w_grad, %c_0p09999999999999998_784_512 : tensor<784x512xf32>
    %dense1_w_m_new = stablehlo.add %dense1_w_m_new_kept, %dense1_w_m_new_added : tensor<784x512xf32>
    %dense1_w_g2 = stablehlo.multiply %dense1_w_grad, %dense1_w_grad : tensor<784x512xf32>
    %c_0p999_784_512 = stablehlo.constant dense<0.999> : tensor<784x512xf32>
    %dense1_w_v_new_kept = stablehlo.multiply %dense1_w_v, %c_0p999_784_512 : tensor<784x512xf32>
    %c_0p0010000000000000009_784_512 = stablehlo.constant dense<0.0010000000000000009> : tensor<784x512xf32>
    %dense1_w_v_new_added = stablehlo.multiply %dense1_w_g2, %c_0p0010000000000000009_784_512 : tensor<784x512xf32>
    %dense1_w_v_new = stablehlo.add %dense1_w_v_new_kept, %dense1_w_v_new_added : tensor<784x512xf32>
    %c_0p9 = stablehlo.constant dense<0.9> : tensor<f32>
    %m_correction_power = stablehlo.power %c_0p9, %t : tensor<f32>
    %c_1 = stablehlo.constant dense<1.0> : tensor<f32>
    %m_correction = stablehlo.subtract %c_1, %m_correction_power : tensor<f32>
    %dense1_w_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<784x512xf32>
    %dense1_w_m_hat = stablehlo.divide %dense1_w_m_new, %dense1_w_broadcast : tensor<784x512xf32>
    %c_0p999 = stablehlo.constant dense<0.999> : tensor<f32>
    %v_correction_power = stablehlo.power %c_0p999, %t : tensor<f32>
    %v_correction = stablehlo.subtract %c_1, %v_correction_power : tensor<f32>
    %dense1_w_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<784x512xf32>
    %dense1_w_v_hat = stablehlo.divide %dense1_w_v_new, %dense1_w_broadcast_2 : tensor<784x512xf32>
    %dense1_w_v_root = stablehlo.sqrt %dense1_w_v_hat : tensor<784x512xf32>
    %c_1em08_784_512 = stablehlo.constant dense<1.0e-08> : tensor<784x512xf32>
    %dense1_w_denominator = stablehlo.add %dense1_w_v_root, %c_1em08_784_512 : tensor<784x512xf32>
    %dense1_w_direction = stablehlo.divide %dense1_w_m_hat, %dense1_w_denominator : tensor<784x512xf32>
    %dense1_w_step = stablehlo.multiply %dense1_w_rate, %dense1_w_direction : tensor<784x512xf32>
    %dense1_w_stepped = stablehlo.subtract %dense1_w, %dense1_w_step : tensor<784x512xf32>
    %c_9p999999747378752em05_784_512 = stablehlo.constant dense<9.999999747378752e-05> : tensor<784x512xf32>
    %dense1_w_decay_rate = stablehlo.multiply %dense1_w_rate, %c_9p999999747378752em05_784_512 : tensor<784x512xf32>
    %dense1_w_decay = stablehlo.multiply %dense1_w_decay_rate, %dense1_w : tensor<784x512xf32>
    %dense1_w_decayed = stablehlo.subtract %dense1_w_stepped, %dense1_w_decay : tensor<784x512xf32>
    // dense1.b: update
    %dense1_b_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<512xf32>
    %c_0p9_512 = stablehlo.constant dense<0.9> : tensor<512xf32>
    %dense1_b_m_new_kept = stablehlo.multiply %dense1_b_m, %c_0p9_512 : tensor<512xf32>
    %c_0p09999999999999998_512 = stablehlo.constant dense<0.09999999999999998> : tensor<512xf32>
    %dense1_b_m_new_added = stablehlo.multiply %dense1_b_grad, %c_0p09999999999999998_512 : tensor<512xf32>
    %dense1_b_m_new = stablehlo.add %dense1_b_m_new_kept, %dense1_b_m_new_added : tensor<512xf32>
    %dense1_b_g2 = stablehlo.multiply %dense1_b_grad, %dense1_b_grad : tensor<512xf32>
    %c_0p999_512 = stablehlo.constant dense<0.999> : tensor<512xf32>
    %dense1_b_v_new_kept = stablehlo.multiply %dense1_b_v, %c_0p999_512 : tensor<512xf32>
    %c_0p0010000000000000009_512 = stablehlo.constant dense<0.0010000000000000009> : tensor<512xf32>
    %dense1_b_v_new_added = stablehlo.multiply %dense1_b_g2, %c_0p0010000000000000009_512 : tensor<512xf32>
    %dense1_b_v_new = stablehlo.add %dense1_b_v_new_kept, %dense1_b_v_new_added : tensor<512xf32>
    %dense1_b_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<512xf32>
    %dense1_b_m_hat = stablehlo.divide %dense1_b_m_new, %dense1_b_broadcast : tensor<512xf32>
    %dense1_b_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<512xf32>
    %dense1_b_v_hat = stablehlo.divide %dense1_b_v_new, %dense1_b_broadcast_2 : tensor<512xf32>
    %dense1_b_v_root = stablehlo.sqrt %dense1_b_v_hat : tensor<512xf32>
    %c_1em08_512 = stablehlo.constant dense<1.0e-08> : tensor<512xf32>
    %dense1_b_denominator = stablehlo.add %dense1_b_v_root, %c_1em08_512 : tensor<512xf32>
    %dense1_b_direction = stablehlo.divide %dense1_b_m_hat, %dense1_b_denominator : tensor<512xf32>
    %dense1_b_step = stablehlo.multiply %dense1_b_rate, %dense1_b_direction : tensor<512xf32>
    %dense1_b_stepped = stablehlo.subtract %dense1_b, %dense1_b_step : tensor<512xf32>
    // dense2.w: update
    %dense2_w_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<512x512xf32>
    %c_0p9_512_512 = stablehlo.constant dense<0.9> : tensor<512x512xf32>
    %dense2_w_m_new_kept = stablehlo.multiply %dense2_w_m, %c_0p9_512_512 : tensor<512x512xf32>
    %c_0p09999999999999998_512_512 = stablehlo.constant dense<0.09999999999999998> : tensor<512x512xf32>
    %dense2_w_m_new_added = stablehlo.multiply %dense2_w_grad, %c_0p09999999999999998_512_512 : tensor<512x512xf32>
    %dense2_w_m_new = stablehlo.add %dense2_w_m_new_kept, %dense2_w_m_new_added : tensor<512x512xf32>
    %dense2_w_g2 = stablehlo.multiply %dense2_w_grad, %dense2_w_grad : tensor<512x512xf32>
    %c_0p999_512_512 = stablehlo.constant dense<0.999> : tensor<512x512xf32>
    %dense2_w_v_new_kept = stablehlo.multiply %dense2_w_v, %c_0p999_512_512 : tensor<512x512xf32>
    %c_0p0010000000000000009_512_512 = stablehlo.constant dense<0.0010000000000000009> : tensor<512x512xf32>
    %dense2_w_v_new_added = stablehlo.multiply %dense2_w_g2, %c_0p0010000000000000009_512_512 : tensor<512x512xf32>
    %dense2_w_v_new = stablehlo.add %dense2_w_v_new_kept, %dense2_w_v_new_added : tensor<512x512xf32>
    %dense2_w_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<512x512xf32>
    %dense2_w_m_hat = stablehlo.divide %dense2_w_m_new, %dense2_w_broadcast : tensor<512x512xf32>
    %dense2_w_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<512x512xf32>
    %dense2_w_v_hat = stablehlo.divide %dense2_w_v_new, %dense2_w_broadcast_2 : tensor<512x512xf32>
    %dense2_w_v_root = stablehlo.sqrt %dense2_w_v_hat : tensor<512x512xf32>
    %c_1em08_512_512 = stablehlo.constant dense<1.0e-08> : tensor<512x512xf32>
    %dense2_w_denominator = stablehlo.add %dense2_w_v_root, %c_1em08_512_512 : tensor<512x512xf32>
    %dense2_w_direction = stablehlo.divide %dense2_w_m_hat, %dense2_w_denominator : tensor<512x512xf32>
    %dense2_w_step = stablehlo.multiply %dense2_w_rate, %dense2_w_direction : tensor<512x512xf32>
    %dense2_w_stepped = stablehlo.subtract %dense2_w, %dense2_w_step : tensor<512x512xf32>
    %c_9p999999747378752em05_512_512 = stablehlo.constant dense<9.999999747378752e-05> : tensor<512x512xf32>
    %dense2_w_decay_rate = stablehlo.multiply %dense2_w_rate, %c_9p999999747378752em05_512_512 : tensor<512x512xf32>
    %dense2_w_decay = stablehlo.multiply %dense2_w_decay_rate, %dense2_w : tensor<512x512xf32>
    %dense2_w_decayed = stablehlo.subtract %dense2_w_stepped, %dense2_w_decay : tensor<512x512xf32>
    // dense2.b: update
    %dense2_b_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<512xf32>
    %dense2_b_m_new_kept = stablehlo.multiply %dense2_b_m, %c_0p9_512 : tensor<512xf32>
    %dense2_b_m_new_added = stablehlo.multiply %dense2_b_grad, %c_0p09999999999999998_512 : tensor<512xf32>
    %dense2_b_m_new = stablehlo.add %dense2_b_m_new_kept, %dense2_b_m_new_added : tensor<512xf32>
    %dense2_b_g2 = stablehlo.multiply %dense2_b_grad, %dense2_b_grad : tensor<512xf32>
    %dense2_b_v_new_kept = stablehlo.multiply %dense2_b_v, %c_0p999_512 : tensor<512xf32>
    %dense2_b_v_new_added = stablehlo.multiply %dense2_b_g2, %c_0p0010000000000000009_512 : tensor<512xf32>
    %dense2_b_v_new = stablehlo.add %dense2_b_v_new_kept, %dense2_b_v_new_added : tensor<512xf32>
    %dense2_b_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<512xf32>
    %dense2_b_m_hat = stablehlo.divide %dense2_b_m_new, %dense2_b_broadcast : tensor<512xf32>
    %dense2_b_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<512xf32>
    %dense2_b_v_hat = stablehlo.divide %dense2_b_v_new, %dense2_b_broadcast_2 : tensor<512xf32>
    %dense2_b_v_root = stablehlo.sqrt %dense2_b_v_hat : tensor<512xf32>
    %dense2_b_denominator = stablehlo.add %dense2_b_v_root, %c_1em08_512 : tensor<512xf32>
    %dense2_b_direction = stablehlo.divide %dense2_b_m_hat, %dense2_b_denominator : tensor<512xf32>
    %dense2_b_step = stablehlo.multiply %dense2_b_rate, %dense2_b_direction : tensor<512xf32>
    %dense2_b_stepped = stablehlo.subtract %dense2_b, %dense2_b_step : tensor<512xf32>
    // dense3.w: update
    %dense3_w_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<512x10xf32>
    %c_0p9_512_10 = stablehlo.constant dense<0.9> : tensor<512x10xf32>
    %dense3_w_m_new_kept = stablehlo.multiply %dense3_w_m, %c_0p9_512_10 : tensor<512x10xf32>
    %c_0p09999999999999998_512_10 = stablehlo.constant dense<0.09999999999999998> : tensor<512x10xf32>
    %dense3_w_m_new_added = stablehlo.multiply %dense3_w_grad, %c_0p09999999999999998_512_10 : tensor<512x10xf32>
    %dense3_w_m_new = stablehlo.add %dense3_w_m_new_kept, %dense3_w_m_new_added : tensor<512x10xf32>
    %dense3_w_g2 = stablehlo.multiply %dense3_w_grad, %dense3_w_grad : tensor<512x10xf32>
    %c_0p999_512_10 = stablehlo.constant dense<0.999> : tensor<512x10xf32>
    %dense3_w_v_new_kept = stablehlo.multiply %dense3_w_v, %c_0p999_512_10 : tensor<512x10xf32>
    %c_0p0010000000000000009_512_10 = stablehlo.constant dense<0.0010000000000000009> : tensor<512x10xf32>
    %dense3_w_v_new_added = stablehlo.multiply %dense3_w_g2, %c_0p0010000000000000009_512_10 : tensor<512x10xf32>
    %dense3_w_v_new = stablehlo.add %dense3_w_v_new_kept, %dense3_w_v_new_added : tensor<512x10xf32>
    %dense3_w_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<512x10xf32>
    %dense3_w_m_hat = stablehlo.divide %dense3_w_m_new, %dense3_w_broadcast : tensor<512x10xf32>
    %dense3_w_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<512x10xf32>
    %dense3_w_v_hat = stablehlo.divide %dense3_w_v_new, %dense3_w_broadcast_2 : tensor<512x10xf32>
    %dense3_w_v_root = stablehlo.sqrt %dense3_w_v_hat : tensor<512x10xf32>
    %c_1em08_512_10 = stablehlo.constant dense<1.0e-08> : tensor<512x10xf32>
    %dense3_w_denominator = stablehlo.add %dense3_w_v_root, %c_1em08_512_10 : tensor<512x10xf32>
    %dense3_w_direction = stablehlo.divide %dense3_w_m_hat, %dense3_w_denominator : tensor<512x10xf32>
    %dense3_w_step = stablehlo.multiply %dense3_w_rate, %dense3_w_direction : tensor<512x10xf32>
    %dense3_w_stepped = stablehlo.subtract %dense3_w, %dense3_w_step : tensor<512x10xf32>
    %c_9p999999747378752em05_512_10 = stablehlo.constant dense<9.999999747378752e-05> : tensor<512x10xf32>
    %dense3_w_decay_rate = stablehlo.multiply %dense3_w_rate, %c_9p999999747378752em05_512_10 : tensor<512x10xf32>
    %dense3_w_decay = stablehlo.multiply %dense3_w_decay_rate, %dense3_w : tensor<512x10xf32>
    %dense3_w_decayed = stablehlo.subtract %dense3_w_stepped, %dense3_w_decay : tensor<512x10xf32>
    // dense3.b: update
    %dense3_b_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<10xf32>
    %c_0p9_10 = stablehlo.constant dense<0.9> : tensor<10xf32>
    %dense3_b_m_new_kept = stablehlo.multiply %dense3_b_m, %c_0p9_10 : tensor<10xf32>
    %c_0p09999999999999998_10 = stablehlo.constant dense<0.09999999999999998> : tensor<10xf32>
    %dense3_b_m_new_added = stablehlo.multiply %dense3_b_grad, %c_0p09999999999999998_10 : tensor<10xf32>
    %dense3_b_m_new = stablehlo.add %dense3_b_m_new_kept, %dense3_b_m_new_added : tensor<10xf32>
    %dense3_b_g2 = stablehlo.multiply %dense3_b_grad, %dense3_b_grad : tensor<10xf32>
    %c_0p999_10 = stablehlo.constant dense<0.999> : tensor<10xf32>
    %dense3_b_v_new_kept = stablehlo.multiply %dense3_b_v, %c_0p999_10 : tensor<10xf32>
    %c_0p0010000000000000009_10 = stablehlo.constant dense<0.0010000000000000009> : tensor<10xf32>
    %dense3_b_v_new_added = stablehlo.multiply %dense3_b_g2, %c_0p0010000000000000009_10 : tensor<10xf32>
    %dense3_b_v_new = stablehlo.add %dense3_b_v_new_kept, %dense3_b_v_new_added : tensor<10xf32>
    %dense3_b_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<10xf32>
    %dense3_b_m_hat = stablehlo.divide %dense3_b_m_new, %dense3_b_broadcast : tensor<10xf32>
    %dense3_b_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<10xf32>
    %dense3_b_v_hat = stablehlo.divide %dense3_b_v_new, %dense3_b_broadcast_2 : tensor<10xf32>
    %dense3_b_v_root = stablehlo.sqrt %dense3_b_v_hat : tensor<10xf32>
    %c_1em08_10 = stablehlo.constant dense<1.0e-08> : tensor<10xf32>
    %dense3_b_denominator = stablehlo.add %dense3_b_v_root, %c_1em08_10 : tensor<10xf32>
    %dense3_b_direction = stablehlo.divide %dense3_b_m_hat, %dense3_b_denominator : tensor<10xf32>
    %dense3_b_step = stablehlo.multiply %dense3_b_rate, %dense3_b_direction : tensor<10xf32>
    %dense3_b_stepped = stablehlo.subtract %dense3_b, %dense3_b_step : tensor<10xf32>
    return %loss_mean, %dense1_w_decayed, %dense1_b_stepped, %dense2_w_decayed, %dense2_b_stepped, %dense3_w_decayed, %dense3_b_stepped, %dense1_w_m_new, %dense1_b_m_new, %dense2_w_m_new, %dense2_b_m_new, %dense3_w_m_new, %dense3_b_m_new, %dense1_w_v_new, %dense1_b_v_new, %dense2_w_v_new, %dense2_b_v_new, %dense3_w_v_new, %dense3_b_v_new, %dense1_w_grad, %dense1_b_grad, %dense2_w_grad, %dense2_b_grad, %dense3_w_grad, %dense3_b_grad : tensor<f32>, tensor<784x512xf32>, tensor<512xf32>, tensor<512x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>, tensor<784x512xf32>, tensor<512xf32>, tensor<512x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>, tensor<784x512xf32>, tensor<512xf32>, tensor<512x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>, tensor<784x512xf32>, tensor<512xf32>, tensor<512x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>
  }
  func.func @norms(
    %dense1_w_grad: tensor<784x512xf32>,
    %dense1_b_grad: tensor<512xf32>,
    %dense2_w_grad: tensor<512x512xf32>,
    %dense2_b_grad: tensor<512xf32>,
    %dense3_w_grad: tensor<512x10xf32>,
    %dense3_b_grad: tensor<10xf32>,
    %dense1_w_param: tensor<784x512xf32>,
    %dense1_b_param: tensor<512xf32>,
    %dense2_w_param: tensor<512x512xf32>,
    %dense2_b_param: tensor<512xf32>,
    %dense3_w_param: tensor<512x10xf32>,
    %dense3_b_param: tensor<10xf32>,
    %dense1_w_after: tensor<784x512xf32>,
    %dense1_b_after: tensor<512xf32>,
    %dense2_w_after: tensor<512x512xf32>,
    %dense2_b_after: tensor<512xf32>,
    %dense3_w_after: tensor<512x10xf32>,
    %dense3_b_after: tensor<10xf32>
  ) -> (tensor<6xf32>, tensor<6xf32>, tensor<6xf32>) {
    %dense1_w_grad_square = stablehlo.multiply %dense1_w_grad, %dense1_w_grad : tensor<784x512xf32>
    %c_0 = stablehlo.constant dense<0.0> : tensor<f32>
    %dense1_w_grad_row_sums = stablehlo.reduce(%dense1_w_grad_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<784x512xf32>, tensor<f32>) -> tensor<784xf32>
    %dense1_w_grad_sum = stablehlo.reduce(%dense1_w_grad_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<784xf32>, tensor<f32>) -> tensor<f32>
    %dense1_w_grad_sum_1 = stablehlo.reshape %dense1_w_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %dense1_b_grad_square = stablehlo.multiply %dense1_b_grad, %dense1_b_grad : tensor<512xf32>
    %dense1_b_grad_sum = stablehlo.reduce(%dense1_b_grad_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense1_b_grad_sum_1 = stablehlo.reshape %dense1_b_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %dense2_w_grad_square = stablehlo.multiply %dense2_w_grad, %dense2_w_grad : tensor<512x512xf32>
    %dense2_w_grad_row_sums = stablehlo.reduce(%dense2_w_grad_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<512x512xf32>, tensor<f32>) -> tensor<512xf32>
    %dense2_w_grad_sum = stablehlo.reduce(%dense2_w_grad_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense2_w_grad_sum_1 = stablehlo.reshape %dense2_w_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %dense2_b_grad_square = stablehlo.multiply %dense2_b_grad, %dense2_b_grad : tensor<512xf32>
    %dense2_b_grad_sum = stablehlo.reduce(%dense2_b_grad_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense2_b_grad_sum_1 = stablehlo.reshape %dense2_b_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %dense3_w_grad_square = stablehlo.multiply %dense3_w_grad, %dense3_w_grad : tensor<512x10xf32>
    %dense3_w_grad_row_sums = stablehlo.reduce(%dense3_w_grad_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<512x10xf32>, tensor<f32>) -> tensor<512xf32>
    %dense3_w_grad_sum = stablehlo.reduce(%dense3_w_grad_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense3_w_grad_sum_1 = stablehlo.reshape %dense3_w_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %dense3_b_grad_square = stablehlo.multiply %dense3_b_grad, %dense3_b_grad : tensor<10xf32>
    %dense3_b_grad_sum = stablehlo.reduce(%dense3_b_grad_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<10xf32>, tensor<f32>) -> tensor<f32>
    %dense3_b_grad_sum_1 = stablehlo.reshape %dense3_b_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %grad_squares = stablehlo.concatenate %dense1_w_grad_sum_1, %dense1_b_grad_sum_1, %dense2_w_grad_sum_1, %dense2_b_grad_sum_1, %dense3_w_grad_sum_1, %dense3_b_grad_sum_1, dim = 0 : (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<6xf32>
    %grad_norms = stablehlo.sqrt %grad_squares : tensor<6xf32>
    %dense1_w_param_square = stablehlo.multiply %dense1_w_param, %dense1_w_param : tensor<784x512xf32>
    %dense1_w_param_row_sums = stablehlo.reduce(%dense1_w_param_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<784x512xf32>, tensor<f32>) -> tensor<784xf32>
    %dense1_w_param_sum = stablehlo.reduce(%dense1_w_param_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<784xf32>, tensor<f32>) -> tensor<f32>
    %dense1_w_param_sum_1 = stablehlo.reshape %dense1_w_param_sum : (tensor<f32>) -> tensor<1xf32>
    %dense1_b_param_square = stablehlo.multiply %dense1_b_param, %dense1_b_param : tensor<512xf32>
    %dense1_b_param_sum = stablehlo.reduce(%dense1_b_param_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense1_b_param_sum_1 = stablehlo.reshape %dense1_b_param_sum : (tensor<f32>) -> tensor<1xf32>
    %dense2_w_param_square = stablehlo.multiply %dense2_w_param, %dense2_w_param : tensor<512x512xf32>
    %dense2_w_param_row_sums = stablehlo.reduce(%dense2_w_param_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<512x512xf32>, tensor<f32>) -> tensor<512xf32>
    %dense2_w_param_sum = stablehlo.reduce(%dense2_w_param_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense2_w_param_sum_1 = stablehlo.reshape %dense2_w_param_sum : (tensor<f32>) -> tensor<1xf32>
    %dense2_b_param_square = stablehlo.multiply %dense2_b_param, %dense2_b_param : tensor<512xf32>
    %dense2_b_param_sum = stablehlo.reduce(%dense2_b_param_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense2_b_param_sum_1 = stablehlo.reshape %dense2_b_param_sum : (tensor<f32>) -> tensor<1xf32>
    %dense3_w_param_square = stablehlo.multiply %dense3_w_param, %dense3_w_param : tensor<512x10xf32>
    %dense3_w_param_row_sums = stablehlo.reduce(%dense3_w_param_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<512x10xf32>, tensor<f32>) -> tensor<512xf32>
    %dense3_w_param_sum = stablehlo.reduce(%dense3_w_param_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense3_w_param_sum_1 = stablehlo.reshape %dense3_w_param_sum : (tensor<f32>) -> tensor<1xf32>
    %dense3_b_param_square = stablehlo.multiply %dense3_b_param, %dense3_b_param : tensor<10xf32>
    %dense3_b_param_sum = stablehlo.reduce(%dense3_b_param_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<10xf32>, tensor<f32>) -> tensor<f32>
    %dense3_b_param_sum_1 = stablehlo.reshape %dense3_b_param_sum : (tensor<f32>) -> tensor<1xf32>
    %param_squares = stablehlo.concatenate %dense1_w_param_sum_1, %dense1_b_param_sum_1, %dense2_w_param_sum_1, %dense2_b_param_sum_1, %dense3_w_param_sum_1, %dense3_b_param_sum_1, dim = 0 : (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<6xf32>
    %param_norms = stablehlo.sqrt %param_squares : tensor<6xf32>
    %dense1_w_update_move = stablehlo.subtract %dense1_w_after, %dense1_w_param : tensor<784x512xf32>
    %dense1_w_update_square = stablehlo.multiply %dense1_w_update_move, %dense1_w_update_move : tensor<784x512xf32>
    %dense1_w_update_row_sums = stablehlo.reduce(%dense1_w_update_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<784x512xf32>, tensor<f32>) -> tensor<784xf32>
    %dense1_w_update_sum = stablehlo.reduce(%dense1_w_update_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<784xf32>, tensor<f32>) -> tensor<f32>
    %dense1_w_update_sum_1 = stablehlo.reshape %dense1_w_update_sum : (tensor<f32>) -> tensor<1xf32>
    %dense1_b_update_move = stablehlo.subtract %dense1_b_after, %dense1_b_param : tensor<512xf32>
    %dense1_b_update_square = stablehlo.multiply %dense1_b_update_move, %dense1_b_update_move : tensor<512xf32>
    %dense1_b_update_sum = stablehlo.reduce(%dense1_b_update_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense1_b_update_sum_1 = stablehlo.reshape %dense1_b_update_sum : (tensor<f32>) -> tensor<1xf32>
    %dense2_w_update_move = stablehlo.subtract %dense2_w_after, %dense2_w_param : tensor<512x512xf32>
    %dense2_w_update_square = stablehlo.multiply %dense2_w_update_move, %dense2_w_update_move : tensor<512x512xf32>
    %dense2_w_update_row_sums = stablehlo.reduce(%dense2_w_update_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<512x512xf32>, tensor<f32>) -> tensor<512xf32>
    %dense2_w_update_sum = stablehlo.reduce(%dense2_w_update_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense2_w_update_sum_1 = stablehlo.reshape %dense2_w_update_sum : (tensor<f32>) -> tensor<1xf32>
    %dense2_b_update_move = stablehlo.subtract %dense2_b_after, %dense2_b_param : tensor<512xf32>
    %dense2_b_update_square = stablehlo.multiply %dense2_b_update_move, %dense2_b_update_move : tensor<512xf32>
    %dense2_b_update_sum = stablehlo.reduce(%dense2_b_update_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense2_b_update_sum_1 = stablehlo.reshape %dense2_b_update_sum : (tensor<f32>) -> tensor<1xf32>
    %dense3_w_update_move = stablehlo.subtract %dense3_w_after, %dense3_w_param : tensor<512x10xf32>
    %dense3_w_update_square = stablehlo.multiply %dense3_w_update_move, %dense3_w_update_move : tensor<512x10xf32>
    %dense3_w_update_row_sums = stablehlo.reduce(%dense3_w_update_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<512x10xf32>, tensor<f32>) -> tensor<512xf32>
    %dense3_w_update_sum = stablehlo.reduce(%dense3_w_update_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense3_w_update_sum_1 = stablehlo.reshape %dense3_w_update_sum : (tensor<f32>) -> tensor<1xf32>
    %dense3_b_update_move = stablehlo.subtract %dense3_b_after, %dense3_b_param : tensor<10xf32>
    %dense3_b_update_square = stablehlo.multiply %dense3_b_update_move, %dense3_b_update_move : tensor<10xf32>
    %dense3_b_update_sum = stablehlo.reduce(%dense3_b_update_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<10xf32>, tensor<f32>) -> tensor<f32>
    %dense3_b_update_sum_1 = stablehlo.reshape %dense3_b_update_sum : (tensor<f32>) -> tensor<1xf32>
    %update_squares = stablehlo.concatenate %dense1_w_update_sum_1, %dense1_b_update_sum_1, %dense2_w_update_sum_1, %dense2_b_update_sum_1, %dense3_w_update_sum_1, %dense3_b_update_sum_1, dim = 0 : (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<6xf32>
    %update_norms = stablehlo.sqrt %update_squares : tensor<6xf32>
    return %grad_norms, %param_norms, %update_norms : tensor<6xf32>, tensor<6xf32>, tensor<6xf32>
  }
}
