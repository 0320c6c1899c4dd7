// MNIST-CNN: one training step in f32.
// netspec baf5fc70351a0a8eacacd79df625d7fc5ec4a8e05eea14dd1ffc79f21fe6bddf
module @train_step {
  func.func @train_step(
    %conv1_w: tensor<32x1x3x3xf32>,
    %conv1_gamma: tensor<32xf32>,
    %conv1_beta: tensor<32xf32>,
    %conv2_w: tensor<32x32x3x3xf32>,
    %conv2_gamma: tensor<32xf32>,
    %conv2_beta: tensor<32xf32>,
    %conv3_w: tensor<64x32x3x3xf32>,
    %conv3_gamma: tensor<64xf32>,
    %conv3_beta: tensor<64xf32>,
    %conv4_w: tensor<64x64x3x3xf32>,
    %conv4_gamma: tensor<64xf32>,
    %conv4_beta: tensor<64xf32>,
    %dense1_w: tensor<3136x512xf32>,
    %dense1_b: tensor<512xf32>,
    %dense2_w: tensor<512x10xf32>,
    %dense2_b: tensor<10xf32>,
    %conv1_w_m: tensor<32x1x3x3xf32>,
    %conv1_gamma_m: tensor<32xf32>,
    %conv1_beta_m: tensor<32xf32>,
    %conv2_w_m: tensor<32x32x3x3xf32>,
    %conv2_gamma_m: tensor<32xf32>,
    %conv2_beta_m: tensor<32xf32>,
    %conv3_w_m: tensor<64x32x3x3xf32>,
    %conv3_gamma_m: tensor<64xf32>,
    %conv3_beta_m: tensor<64xf32>,
    %conv4_w_m: tensor<64x64x3x3xf32>,
    %conv4_gamma_m: tensor<64xf32>,
    %conv4_beta_m: tensor<64xf32>,
    %dense1_w_m: tensor<3136x512xf32>,
    %dense1_b_m: tensor<512xf32>,
    %dense2_w_m: tensor<512x10xf32>,
    %dense2_b_m: tensor<10xf32>,
    %conv1_w_v: tensor<32x1x3x3xf32>,
    %conv1_gamma_v: tensor<32xf32>,
    %conv1_beta_v: tensor<32xf32>,
    %conv2_w_v: tensor<32x32x3x3xf32>,
    %conv2_gamma_v: tensor<32xf32>,
    %conv2_beta_v: tensor<32xf32>,
    %conv3_w_v: tensor<64x32x3x3xf32>,
    %conv3_gamma_v: tensor<64xf32>,
    %conv3_beta_v: tensor<64xf32>,
    %conv4_w_v: tensor<64x64x3x3xf32>,
    %conv4_gamma_v: tensor<64xf32>,
    %conv4_beta_v: tensor<64xf32>,
    %dense1_w_v: tensor<3136x512xf32>,
    %dense1_b_v: tensor<512xf32>,
    %dense2_w_v: tensor<512x10xf32>,
    %dense2_b_v: tensor<10xf32>,
    %conv1_mean: tensor<32xf32>,
    %conv1_var: tensor<32xf32>,
    %conv2_mean: tensor<32xf32>,
    %conv2_var: tensor<32xf32>,
    %conv3_mean: tensor<64xf32>,
    %conv3_var: tensor<64xf32>,
    %conv4_mean: tensor<64xf32>,
    %conv4_var: tensor<64xf32>,
    %x: tensor<128x1x28x28xf32>,
    %labels: tensor<128xi32>,
    %lr: tensor<f32>,
    %t: tensor<f32>
  ) -> (tensor<f32>, tensor<32x1x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32x32x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<64x32x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64x64x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<3136x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>, tensor<32x1x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32x32x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<64x32x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64x64x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<3136x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>, tensor<32x1x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32x32x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<64x32x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64x64x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<3136x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>, tensor<32x1x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32x32x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<64x32x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64x64x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<3136x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>) {
    %x_nhwc = stablehlo.reshape %x : (tensor<128x1x28x28xf32>) -> tensor<128x28x28x1xf32>
    // conv1: Convolution 1x28x28 -> 32x28x28
    %conv1_w_tap = stablehlo.slice %conv1_w [0:32:1, 0:1:1, 0:1:1, 0:1:1] : (tensor<32x1x3x3xf32>) -> tensor<32x1x1x1xf32>
    %conv1_reshape = stablehlo.reshape %conv1_w_tap : (tensor<32x1x1x1xf32>) -> tensor<32x1xf32>
    %conv1_w_tap_io = stablehlo.transpose %conv1_reshape, dims = [1, 0] : (tensor<32x1xf32>) -> tensor<1x32xf32>
    %conv1_reshape_2 = stablehlo.reshape %conv1_w_tap_io : (tensor<1x32xf32>) -> tensor<1x1x1x32xf32>
    %conv1_w_tap_2 = stablehlo.slice %conv1_w [0:32:1, 0:1:1, 0:1:1, 1:2:1] : (tensor<32x1x3x3xf32>) -> tensor<32x1x1x1xf32>
    %conv1_reshape_3 = stablehlo.reshape %conv1_w_tap_2 : (tensor<32x1x1x1xf32>) -> tensor<32x1xf32>
    %conv1_w_tap_io_2 = stablehlo.transpose %conv1_reshape_3, dims = [1, 0] : (tensor<32x1xf32>) -> tensor<1x32xf32>
    %conv1_reshape_4 = stablehlo.reshape %conv1_w_tap_io_2 : (tensor<1x32xf32>) -> tensor<1x1x1x32xf32>
    %conv1_w_tap_3 = stablehlo.slice %conv1_w [0:32:1, 0:1:1, 0:1:1, 2:3:1] : (tensor<32x1x3x3xf32>) -> tensor<32x1x1x1xf32>
    %conv1_reshape_5 = stablehlo.reshape %conv1_w_tap_3 : (tensor<32x1x1x1xf32>) -> tensor<32x1xf32>
    %conv1_w_tap_io_3 = stablehlo.transpose %conv1_reshape_5, dims = [1, 0] : (tensor<32x1xf32>) -> tensor<1x32xf32>
    %conv1_reshape_6 = stablehlo.reshape %conv1_w_tap_io_3 : (tensor<1x32xf32>) -> tensor<1x1x1x32xf32>
    %conv1_w_tap_4 = stablehlo.slice %conv1_w [0:32:1, 0:1:1, 1:2:1, 0:1:1] : (tensor<32x1x3x3xf32>) -> tensor<32x1x1x1xf32>
    %conv1_reshape_7 = stablehlo.reshape %conv1_w_tap_4 : (tensor<32x1x1x1xf32>) -> tensor<32x1xf32>
    %conv1_w_tap_io_4 = stablehlo.transpose %conv1_reshape_7, dims = [1, 0] : (tensor<32x1xf32>) -> tensor<1x32xf32>
    %conv1_reshape_8 = stablehlo.reshape %conv1_w_tap_io_4 : (tensor<1x32xf32>) -> tensor<1x1x1x32xf32>
    %conv1_w_tap_5 = stablehlo.slice %conv1_w [0:32:1, 0:1:1, 1:2:1, 1:2:1] : (tensor<32x1x3x3xf32>) -> tensor<32x1x1x1xf32>
    %conv1_reshape_9 = stablehlo.reshape %conv1_w_tap_5 : (tensor<32x1x1x1xf32>) -> tensor<32x1xf32>
    %conv1_w_tap_io_5 = stablehlo.transpose %conv1_reshape_9, dims = [1, 0] : (tensor<32x1xf32>) -> tensor<1x32xf32>
    %conv1_reshape_10 = stablehlo.reshape %conv1_w_tap_io_5 : (tensor<1x32xf32>) -> tensor<1x1x1x32xf32>
    %conv1_w_tap_6 = stablehlo.slice %conv1_w [0:32:1, 0:1:1, 1:2:1, 2:3:1] : (tensor<32x1x3x3xf32>) -> tensor<32x1x1x1xf32>
    %conv1_reshape_11 = stablehlo.reshape %conv1_w_tap_6 : (tensor<32x1x1x1xf32>) -> tensor<32x1xf32>
    %conv1_w_tap_io_6 = stablehlo.transpose %conv1_reshape_11, dims = [1, 0] : (tensor<32x1xf32>) -> tensor<1x32xf32>
    %conv1_reshape_12 = stablehlo.reshape %conv1_w_tap_io_6 : (tensor<1x32xf32>) -> tensor<1x1x1x32xf32>
    %conv1_w_tap_7 = stablehlo.slice %conv1_w [0:32:1, 0:1:1, 2:3:1, 0:1:1] : (tensor<32x1x3x3xf32>) -> tensor<32x1x1x1xf32>
    %conv1_reshape_13 = stablehlo.reshape %conv1_w_tap_7 : (tensor<32x1x1x1xf32>) -> tensor<32x1xf32>
    %conv1_w_tap_io_7 = stablehlo.transpose %conv1_reshape_13, dims = [1, 0] : (tensor<32x1xf32>) -> tensor<1x32xf32>
    %conv1_reshape_14 = stablehlo.reshape %conv1_w_tap_io_7 : (tensor<1x32xf32>) -> tensor<1x1x1x32xf32>
    %conv1_w_tap_8 = stablehlo.slice %conv1_w [0:32:1, 0:1:1, 2:3:1, 1:2:1] : (tensor<32x1x3x3xf32>) -> tensor<32x1x1x1xf32>
    %conv1_reshape_15 = stablehlo.reshape %conv1_w_tap_8 : (tensor<32x1x1x1xf32>) -> tensor<32x1xf32>
    %conv1_w_tap_io_8 = stablehlo.transpose %conv1_reshape_15, dims = [1, 0] : (tensor<32x1xf32>) -> tensor<1x32xf32>
    %conv1_reshape_16 = stablehlo.reshape %conv1_w_tap_io_8 : (tensor<1x32xf32>) -> tensor<1x1x1x32xf32>
    %conv1_w_tap_9 = stablehlo.slice %conv1_w [0:32:1, 0:1:1, 2:3:1, 2:3:1] : (tensor<32x1x3x3xf32>) -> tensor<32x1x1x1xf32>
    %conv1_reshape_17 = stablehlo.reshape %conv1_w_tap_9 : (tensor<32x1x1x1xf32>) -> tensor<32x1xf32>
    %conv1_w_tap_io_9 = stablehlo.transpose %conv1_reshape_17, dims = [1, 0] : (tensor<32x1xf32>) -> tensor<1x32xf32>
    %conv1_reshape_18 = stablehlo.reshape %conv1_w_tap_io_9 : (tensor<1x32xf32>) -> tensor<1x1x1x32xf32>
    %conv1_w_taps = stablehlo.concatenate %conv1_reshape_2, %conv1_reshape_4, %conv1_reshape_6, %conv1_reshape_8, %conv1_reshape_10, %conv1_reshape_12, %conv1_reshape_14, %conv1_reshape_16, %conv1_reshape_18, dim = 0 : (tensor<1x1x1x32xf32>, tensor<1x1x1x32xf32>, tensor<1x1x1x32xf32>, tensor<1x1x1x32xf32>, tensor<1x1x1x32xf32>, tensor<1x1x1x32xf32>, tensor<1x1x1x32xf32>, tensor<1x1x1x32xf32>, tensor<1x1x1x32xf32>) -> tensor<9x1x1x32xf32>
    %conv1_w_hwio = stablehlo.reshape %conv1_w_taps : (tensor<9x1x1x32xf32>) -> tensor<3x3x1x32xf32>
    %conv1_y = stablehlo.convolution(%x_nhwc, %conv1_w_hwio) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [1, 1], pad = [[1, 1], [1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<128x28x28x1xf32>, tensor<3x3x1x32xf32>) -> tensor<128x28x28x32xf32>
    // conv1.bn: BatchNorm 32x28x28 -> 32x28x28
    %conv1_bn_pixels = stablehlo.reshape %conv1_y : (tensor<128x28x28x32xf32>) -> tensor<128x784x32xf32>
    %c_0 = stablehlo.constant dense<0.0> : tensor<f32>
    %conv1_bn_total_images = stablehlo.reduce(%conv1_bn_pixels init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x784x32xf32>, tensor<f32>) -> tensor<128x32xf32>
    %conv1_bn_total = stablehlo.reduce(%conv1_bn_total_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x32xf32>, tensor<f32>) -> tensor<32xf32>
    %c_100352_32 = stablehlo.constant dense<100352.0> : tensor<32xf32>
    %conv1_bn_mean = stablehlo.divide %conv1_bn_total, %c_100352_32 : tensor<32xf32>
    %conv1_bn_mean_pixels = stablehlo.broadcast_in_dim %conv1_bn_mean, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %conv1_bn_centred = stablehlo.subtract %conv1_bn_pixels, %conv1_bn_mean_pixels : tensor<128x784x32xf32>
    %conv1_bn_squares = stablehlo.multiply %conv1_bn_centred, %conv1_bn_centred : tensor<128x784x32xf32>
    %conv1_bn_total_squares_images = stablehlo.reduce(%conv1_bn_squares init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x784x32xf32>, tensor<f32>) -> tensor<128x32xf32>
    %conv1_bn_total_squares = stablehlo.reduce(%conv1_bn_total_squares_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x32xf32>, tensor<f32>) -> tensor<32xf32>
    %conv1_bn_var = stablehlo.divide %conv1_bn_total_squares, %c_100352_32 : tensor<32xf32>
    %c_1em05_32 = stablehlo.constant dense<1.0e-05> : tensor<32xf32>
    %conv1_bn_var_eps = stablehlo.add %conv1_bn_var, %c_1em05_32 : tensor<32xf32>
    %conv1_bn_std = stablehlo.sqrt %conv1_bn_var_eps : tensor<32xf32>
    %c_1_32 = stablehlo.constant dense<1.0> : tensor<32xf32>
    %conv1_bn_istd = stablehlo.divide %c_1_32, %conv1_bn_std : tensor<32xf32>
    %conv1_bn_mean_pixels_2 = stablehlo.broadcast_in_dim %conv1_bn_mean, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %conv1_bn_centred_2 = stablehlo.subtract %conv1_bn_pixels, %conv1_bn_mean_pixels_2 : tensor<128x784x32xf32>
    %conv1_bn_istd_pixels = stablehlo.broadcast_in_dim %conv1_bn_istd, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %conv1_bn_xhat = stablehlo.multiply %conv1_bn_centred_2, %conv1_bn_istd_pixels : tensor<128x784x32xf32>
    %conv1_bn_gamma_pixels = stablehlo.broadcast_in_dim %conv1_gamma, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %conv1_bn_scaled = stablehlo.multiply %conv1_bn_xhat, %conv1_bn_gamma_pixels : tensor<128x784x32xf32>
    %conv1_bn_beta_pixels = stablehlo.broadcast_in_dim %conv1_beta, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %conv1_bn_y_pixels = stablehlo.add %conv1_bn_scaled, %conv1_bn_beta_pixels : tensor<128x784x32xf32>
    %c_1 = stablehlo.constant dense<1.0> : tensor<f32>
    %conv1_bn_first = stablehlo.compare EQ, %t, %c_1, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %conv1_bn_first_channels = stablehlo.broadcast_in_dim %conv1_bn_first, dims = [] : (tensor<i1>) -> tensor<32xi1>
    %c_0p9_32 = stablehlo.constant dense<0.9> : tensor<32xf32>
    %conv1_bn_mean_kept = stablehlo.multiply %conv1_mean, %c_0p9_32 : tensor<32xf32>
    %c_0p09999999999999998_32 = stablehlo.constant dense<0.09999999999999998> : tensor<32xf32>
    %conv1_bn_mean_batch = stablehlo.multiply %conv1_bn_mean, %c_0p09999999999999998_32 : tensor<32xf32>
    %conv1_bn_mean_later = stablehlo.add %conv1_bn_mean_kept, %conv1_bn_mean_batch : tensor<32xf32>
    %conv1_bn_mean_new = stablehlo.select %conv1_bn_first_channels, %conv1_bn_mean, %conv1_bn_mean_later : tensor<32xi1>, tensor<32xf32>
    %conv1_bn_var_kept = stablehlo.multiply %conv1_var, %c_0p9_32 : tensor<32xf32>
    %conv1_bn_var_batch = stablehlo.multiply %conv1_bn_var, %c_0p09999999999999998_32 : tensor<32xf32>
    %conv1_bn_var_later = stablehlo.add %conv1_bn_var_kept, %conv1_bn_var_batch : tensor<32xf32>
    %conv1_bn_var_new = stablehlo.select %conv1_bn_first_channels, %conv1_bn_var, %conv1_bn_var_later : tensor<32xi1>, tensor<32xf32>
    %conv1_bn_y = stablehlo.reshape %conv1_bn_y_pixels : (tensor<128x784x32xf32>) -> tensor<128x28x28x32xf32>
    // conv1.relu: Relu 32x28x28 -> 32x28x28
    %c_0_128_28_28_32 = stablehlo.constant dense<0.0> : tensor<128x28x28x32xf32>
    %conv1_relu_y = stablehlo.maximum %conv1_bn_y, %c_0_128_28_28_32 : tensor<128x28x28x32xf32>
    // conv2: Convolution 32x28x28 -> 32x28x28
    %conv2_w_tap = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 0:1:1, 0:1:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %conv2_reshape = stablehlo.reshape %conv2_w_tap : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %conv2_w_tap_io = stablehlo.transpose %conv2_reshape, dims = [1, 0] : (tensor<32x32xf32>) -> tensor<32x32xf32>
    %conv2_reshape_2 = stablehlo.reshape %conv2_w_tap_io : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %conv2_w_tap_2 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 0:1:1, 1:2:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %conv2_reshape_3 = stablehlo.reshape %conv2_w_tap_2 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %conv2_w_tap_io_2 = stablehlo.transpose %conv2_reshape_3, dims = [1, 0] : (tensor<32x32xf32>) -> tensor<32x32xf32>
    %conv2_reshape_4 = stablehlo.reshape %conv2_w_tap_io_2 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %conv2_w_tap_3 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 0:1:1, 2:3:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %conv2_reshape_5 = stablehlo.reshape %conv2_w_tap_3 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %conv2_w_tap_io_3 = stablehlo.transpose %conv2_reshape_5, dims = [1, 0] : (tensor<32x32xf32>) -> tensor<32x32xf32>
    %conv2_reshape_6 = stablehlo.reshape %conv2_w_tap_io_3 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %conv2_w_tap_4 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 1:2:1, 0:1:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %conv2_reshape_7 = stablehlo.reshape %conv2_w_tap_4 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %conv2_w_tap_io_4 = stablehlo.transpose %conv2_reshape_7, dims = [1, 0] : (tensor<32x32xf32>) -> tensor<32x32xf32>
    %conv2_reshape_8 = stablehlo.reshape %conv2_w_tap_io_4 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %conv2_w_tap_5 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 1:2:1, 1:2:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %conv2_reshape_9 = stablehlo.reshape %conv2_w_tap_5 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %conv2_w_tap_io_5 = stablehlo.transpose %conv2_reshape_9, dims = [1, 0] : (tensor<32x32xf32>) -> tensor<32x32xf32>
    %conv2_reshape_10 = stablehlo.reshape %conv2_w_tap_io_5 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %conv2_w_tap_6 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 1:2:1, 2:3:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %conv2_reshape_11 = stablehlo.reshape %conv2_w_tap_6 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %conv2_w_tap_io_6 = stablehlo.transpose %conv2_reshape_11, dims = [1, 0] : (tensor<32x32xf32>) -> tensor<32x32xf32>
    %conv2_reshape_12 = stablehlo.reshape %conv2_w_tap_io_6 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %conv2_w_tap_7 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 2:3:1, 0:1:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %conv2_reshape_13 = stablehlo.reshape %conv2_w_tap_7 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %conv2_w_tap_io_7 = stablehlo.transpose %conv2_reshape_13, dims = [1, 0] : (tensor<32x32xf32>) -> tensor<32x32xf32>
    %conv2_reshape_14 = stablehlo.reshape %conv2_w_tap_io_7 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %conv2_w_tap_8 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 2:3:1, 1:2:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %conv2_reshape_15 = stablehlo.reshape %conv2_w_tap_8 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %conv2_w_tap_io_8 = stablehlo.transpose %conv2_reshape_15, dims = [1, 0] : (tensor<32x32xf32>) -> tensor<32x32xf32>
    %conv2_reshape_16 = stablehlo.reshape %conv2_w_tap_io_8 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %conv2_w_tap_9 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 2:3:1, 2:3:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %conv2_reshape_17 = stablehlo.reshape %conv2_w_tap_9 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %conv2_w_tap_io_9 = stablehlo.transpose %conv2_reshape_17, dims = [1, 0] : (tensor<32x32xf32>) -> tensor<32x32xf32>
    %conv2_reshape_18 = stablehlo.reshape %conv2_w_tap_io_9 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %conv2_w_taps = stablehlo.concatenate %conv2_reshape_2, %conv2_reshape_4, %conv2_reshape_6, %conv2_reshape_8, %conv2_reshape_10, %conv2_reshape_12, %conv2_reshape_14, %conv2_reshape_16, %conv2_reshape_18, dim = 0 : (tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>) -> tensor<9x1x32x32xf32>
    %conv2_w_hwio = stablehlo.reshape %conv2_w_taps : (tensor<9x1x32x32xf32>) -> tensor<3x3x32x32xf32>
    %conv2_y = stablehlo.convolution(%conv1_relu_y, %conv2_w_hwio) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [1, 1], pad = [[1, 1], [1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<128x28x28x32xf32>, tensor<3x3x32x32xf32>) -> tensor<128x28x28x32xf32>
    // conv2.bn: BatchNorm 32x28x28 -> 32x28x28
    %conv2_bn_pixels = stablehlo.reshape %conv2_y : (tensor<128x28x28x32xf32>) -> tensor<128x784x32xf32>
    %conv2_bn_total_images = stablehlo.reduce(%conv2_bn_pixels init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x784x32xf32>, tensor<f32>) -> tensor<128x32xf32>
    %conv2_bn_total = stablehlo.reduce(%conv2_bn_total_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x32xf32>, tensor<f32>) -> tensor<32xf32>
    %conv2_bn_mean = stablehlo.divide %conv2_bn_total, %c_100352_32 : tensor<32xf32>
    %conv2_bn_mean_pixels = stablehlo.broadcast_in_dim %conv2_bn_mean, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %conv2_bn_centred = stablehlo.subtract %conv2_bn_pixels, %conv2_bn_mean_pixels : tensor<128x784x32xf32>
    %conv2_bn_squares = stablehlo.multiply %conv2_bn_centred, %conv2_bn_centred : tensor<128x784x32xf32>
    %conv2_bn_total_squares_images = stablehlo.reduce(%conv2_bn_squares init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x784x32xf32>, tensor<f32>) -> tensor<128x32xf32>
    %conv2_bn_total_squares = stablehlo.reduce(%conv2_bn_total_squares_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x32xf32>, tensor<f32>) -> tensor<32xf32>
    %conv2_bn_var = stablehlo.divide %conv2_bn_total_squares, %c_100352_32 : tensor<32xf32>
    %conv2_bn_var_eps = stablehlo.add %conv2_bn_var, %c_1em05_32 : tensor<32xf32>
    %conv2_bn_std = stablehlo.sqrt %conv2_bn_var_eps : tensor<32xf32>
    %conv2_bn_istd = stablehlo.divide %c_1_32, %conv2_bn_std : tensor<32xf32>
    %conv2_bn_mean_pixels_2 = stablehlo.broadcast_in_dim %conv2_bn_mean, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %conv2_bn_centred_2 = stablehlo.subtract %conv2_bn_pixels, %conv2_bn_mean_pixels_2 : tensor<128x784x32xf32>
    %conv2_bn_istd_pixels = stablehlo.broadcast_in_dim %conv2_bn_istd, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %conv2_bn_xhat = stablehlo.multiply %conv2_bn_centred_2, %conv2_bn_istd_pixels : tensor<128x784x32xf32>
    %conv2_bn_gamma_pixels = stablehlo.broadcast_in_dim %conv2_gamma, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %conv2_bn_scaled = stablehlo.multiply %conv2_bn_xhat, %conv2_bn_gamma_pixels : tensor<128x784x32xf32>
    %conv2_bn_beta_pixels = stablehlo.broadcast_in_dim %conv2_beta, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %conv2_bn_y_pixels = stablehlo.add %conv2_bn_scaled, %conv2_bn_beta_pixels : tensor<128x784x32xf32>
    %conv2_bn_first = stablehlo.compare EQ, %t, %c_1, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %conv2_bn_first_channels = stablehlo.broadcast_in_dim %conv2_bn_first, dims = [] : (tensor<i1>) -> tensor<32xi1>
    %conv2_bn_mean_kept = stablehlo.multiply %conv2_mean, %c_0p9_32 : tensor<32xf32>
    %conv2_bn_mean_batch = stablehlo.multiply %conv2_bn_mean, %c_0p09999999999999998_32 : tensor<32xf32>
    %conv2_bn_mean_later = stablehlo.add %conv2_bn_mean_kept, %conv2_bn_mean_batch : tensor<32xf32>
    %conv2_bn_mean_new = stablehlo.select %conv2_bn_first_channels, %conv2_bn_mean, %conv2_bn_mean_later : tensor<32xi1>, tensor<32xf32>
    %conv2_bn_var_kept = stablehlo.multiply %conv2_var, %c_0p9_32 : tensor<32xf32>
    %conv2_bn_var_batch = stablehlo.multiply %conv2_bn_var, %c_0p09999999999999998_32 : tensor<32xf32>
    %conv2_bn_var_later = stablehlo.add %conv2_bn_var_kept, %conv2_bn_var_batch : tensor<32xf32>
    %conv2_bn_var_new = stablehlo.select %conv2_bn_first_channels, %conv2_bn_var, %conv2_bn_var_later : tensor<32xi1>, tensor<32xf32>
    %conv2_bn_y = stablehlo.reshape %conv2_bn_y_pixels : (tensor<128x784x32xf32>) -> tensor<128x28x28x32xf32>
    // conv2.relu: Relu 32x28x28 -> 32x28x28
    %conv2_relu_y = stablehlo.maximum %conv2_bn_y, %c_0_128_28_28_32 : tensor<128x28x28x32xf32>
    // pool1: MaxPool 32x28x28 -> 32x14x14
    %pool1_tap00 = stablehlo.slice %conv2_relu_y [0:128:1, 0:27:2, 0:27:2, 0:32:1] : (tensor<128x28x28x32xf32>) -> tensor<128x14x14x32xf32>
    %pool1_tap01 = stablehlo.slice %conv2_relu_y [0:128:1, 0:27:2, 1:28:2, 0:32:1] : (tensor<128x28x28x32xf32>) -> tensor<128x14x14x32xf32>
    %pool1_tap10 = stablehlo.slice %conv2_relu_y [0:128:1, 1:28:2, 0:27:2, 0:32:1] : (tensor<128x28x28x32xf32>) -> tensor<128x14x14x32xf32>
    %pool1_tap11 = stablehlo.slice %conv2_relu_y [0:128:1, 1:28:2, 1:28:2, 0:32:1] : (tensor<128x28x28x32xf32>) -> tensor<128x14x14x32xf32>
    %pool1_max1 = stablehlo.maximum %pool1_tap00, %pool1_tap01 : tensor<128x14x14x32xf32>
    %pool1_max2 = stablehlo.maximum %pool1_max1, %pool1_tap10 : tensor<128x14x14x32xf32>
    %pool1_max3 = stablehlo.maximum %pool1_max2, %pool1_tap11 : tensor<128x14x14x32xf32>
    %pool1_greater1 = stablehlo.compare GT, %pool1_tap01, %pool1_tap00, FLOAT : (tensor<128x14x14x32xf32>, tensor<128x14x14x32xf32>) -> tensor<128x14x14x32xi1>
    %c_1_128_14_14_32 = stablehlo.constant dense<1> : tensor<128x14x14x32xi32>
    %c_0_128_14_14_32 = stablehlo.constant dense<0> : tensor<128x14x14x32xi32>
    %pool1_first1 = stablehlo.select %pool1_greater1, %c_1_128_14_14_32, %c_0_128_14_14_32 : tensor<128x14x14x32xi1>, tensor<128x14x14x32xi32>
    %pool1_best1 = stablehlo.select %pool1_greater1, %pool1_tap01, %pool1_tap00 : tensor<128x14x14x32xi1>, tensor<128x14x14x32xf32>
    %pool1_greater2 = stablehlo.compare GT, %pool1_tap10, %pool1_best1, FLOAT : (tensor<128x14x14x32xf32>, tensor<128x14x14x32xf32>) -> tensor<128x14x14x32xi1>
    %c_2_128_14_14_32 = stablehlo.constant dense<2> : tensor<128x14x14x32xi32>
    %pool1_first2 = stablehlo.select %pool1_greater2, %c_2_128_14_14_32, %pool1_first1 : tensor<128x14x14x32xi1>, tensor<128x14x14x32xi32>
    %pool1_best2 = stablehlo.select %pool1_greater2, %pool1_tap10, %pool1_best1 : tensor<128x14x14x32xi1>, tensor<128x14x14x32xf32>
    %pool1_greater3 = stablehlo.compare GT, %pool1_tap11, %pool1_best2, FLOAT : (tensor<128x14x14x32xf32>, tensor<128x14x14x32xf32>) -> tensor<128x14x14x32xi1>
    %c_3_128_14_14_32 = stablehlo.constant dense<3> : tensor<128x14x14x32xi32>
    %pool1_first3 = stablehlo.select %pool1_greater3, %c_3_128_14_14_32, %pool1_first2 : tensor<128x14x14x32xi1>, tensor<128x14x14x32xi32>
    %pool1_takes0 = stablehlo.compare EQ, %pool1_first3, %c_0_128_14_14_32, SIGNED : (tensor<128x14x14x32xi32>, tensor<128x14x14x32xi32>) -> tensor<128x14x14x32xi1>
    %pool1_takes1 = stablehlo.compare EQ, %pool1_first3, %c_1_128_14_14_32, SIGNED : (tensor<128x14x14x32xi32>, tensor<128x14x14x32xi32>) -> tensor<128x14x14x32xi1>
    %pool1_takes2 = stablehlo.compare EQ, %pool1_first3, %c_2_128_14_14_32, SIGNED : (tensor<128x14x14x32xi32>, tensor<128x14x14x32xi32>) -> tensor<128x14x14x32xi1>
    %pool1_takes3 = stablehlo.compare EQ, %pool1_first3, %c_3_128_14_14_32, SIGNED : (tensor<128x14x14x32xi32>, tensor<128x14x14x32xi32>) -> tensor<128x14x14x32xi1>
    // conv3: Convolution 32x14x14 -> 64x14x14
    %conv3_w_tap = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 0:1:1, 0:1:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %conv3_reshape = stablehlo.reshape %conv3_w_tap : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %conv3_w_tap_io = stablehlo.transpose %conv3_reshape, dims = [1, 0] : (tensor<64x32xf32>) -> tensor<32x64xf32>
    %conv3_reshape_2 = stablehlo.reshape %conv3_w_tap_io : (tensor<32x64xf32>) -> tensor<1x1x32x64xf32>
    %conv3_w_tap_2 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 0:1:1, 1:2:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %conv3_reshape_3 = stablehlo.reshape %conv3_w_tap_2 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %conv3_w_tap_io_2 = stablehlo.transpose %conv3_reshape_3, dims = [1, 0] : (tensor<64x32xf32>) -> tensor<32x64xf32>
    %conv3_reshape_4 = stablehlo.reshape %conv3_w_tap_io_2 : (tensor<32x64xf32>) -> tensor<1x1x32x64xf32>
    %conv3_w_tap_3 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 0:1:1, 2:3:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %conv3_reshape_5 = stablehlo.reshape %conv3_w_tap_3 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %conv3_w_tap_io_3 = stablehlo.transpose %conv3_reshape_5, dims = [1, 0] : (tensor<64x32xf32>) -> tensor<32x64xf32>
    %conv3_reshape_6 = stablehlo.reshape %conv3_w_tap_io_3 : (tensor<32x64xf32>) -> tensor<1x1x32x64xf32>
    %conv3_w_tap_4 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 1:2:1, 0:1:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %conv3_reshape_7 = stablehlo.reshape %conv3_w_tap_4 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %conv3_w_tap_io_4 = stablehlo.transpose %conv3_reshape_7, dims = [1, 0] : (tensor<64x32xf32>) -> tensor<32x64xf32>
    %conv3_reshape_8 = stablehlo.reshape %conv3_w_tap_io_4 : (tensor<32x64xf32>) -> tensor<1x1x32x64xf32>
    %conv3_w_tap_5 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 1:2:1, 1:2:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %conv3_reshape_9 = stablehlo.reshape %conv3_w_tap_5 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %conv3_w_tap_io_5 = stablehlo.transpose %conv3_reshape_9, dims = [1, 0] : (tensor<64x32xf32>) -> tensor<32x64xf32>
    %conv3_reshape_10 = stablehlo.reshape %conv3_w_tap_io_5 : (tensor<32x64xf32>) -> tensor<1x1x32x64xf32>
    %conv3_w_tap_6 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 1:2:1, 2:3:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %conv3_reshape_11 = stablehlo.reshape %conv3_w_tap_6 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %conv3_w_tap_io_6 = stablehlo.transpose %conv3_reshape_11, dims = [1, 0] : (tensor<64x32xf32>) -> tensor<32x64xf32>
    %conv3_reshape_12 = stablehlo.reshape %conv3_w_tap_io_6 : (tensor<32x64xf32>) -> tensor<1x1x32x64xf32>
    %conv3_w_tap_7 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 2:3:1, 0:1:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %conv3_reshape_13 = stablehlo.reshape %conv3_w_tap_7 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %conv3_w_tap_io_7 = stablehlo.transpose %conv3_reshape_13, dims = [1, 0] : (tensor<64x32xf32>) -> tensor<32x64xf32>
    %conv3_reshape_14 = stablehlo.reshape %conv3_w_tap_io_7 : (tensor<32x64xf32>) -> tensor<1x1x32x64xf32>
    %conv3_w_tap_8 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 2:3:1, 1:2:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %conv3_reshape_15 = stablehlo.reshape %conv3_w_tap_8 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %conv3_w_tap_io_8 = stablehlo.transpose %conv3_reshape_15, dims = [1, 0] : (tensor<64x32xf32>) -> tensor<32x64xf32>
    %conv3_reshape_16 = stablehlo.reshape %conv3_w_tap_io_8 : (tensor<32x64xf32>) -> tensor<1x1x32x64xf32>
    %conv3_w_tap_9 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 2:3:1, 2:3:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %conv3_reshape_17 = stablehlo.reshape %conv3_w_tap_9 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %conv3_w_tap_io_9 = stablehlo.transpose %conv3_reshape_17, dims = [1, 0] : (tensor<64x32xf32>) -> tensor<32x64xf32>
    %conv3_reshape_18 = stablehlo.reshape %conv3_w_tap_io_9 : (tensor<32x64xf32>) -> tensor<1x1x32x64xf32>
    %conv3_w_taps = stablehlo.concatenate %conv3_reshape_2, %conv3_reshape_4, %conv3_reshape_6, %conv3_reshape_8, %conv3_reshape_10, %conv3_reshape_12, %conv3_reshape_14, %conv3_reshape_16, %conv3_reshape_18, dim = 0 : (tensor<1x1x32x64xf32>, tensor<1x1x32x64xf32>, tensor<1x1x32x64xf32>, tensor<1x1x32x64xf32>, tensor<1x1x32x64xf32>, tensor<1x1x32x64xf32>, tensor<1x1x32x64xf32>, tensor<1x1x32x64xf32>, tensor<1x1x32x64xf32>) -> tensor<9x1x32x64xf32>
    %conv3_w_hwio = stablehlo.reshape %conv3_w_taps : (tensor<9x1x32x64xf32>) -> tensor<3x3x32x64xf32>
    %conv3_y = stablehlo.convolution(%pool1_max3, %conv3_w_hwio) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [1, 1], pad = [[1, 1], [1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<128x14x14x32xf32>, tensor<3x3x32x64xf32>) -> tensor<128x14x14x64xf32>
    // conv3.bn: BatchNorm 64x14x14 -> 64x14x14
    %conv3_bn_pixels = stablehlo.reshape %conv3_y : (tensor<128x14x14x64xf32>) -> tensor<128x196x64xf32>
    %conv3_bn_total_images = stablehlo.reduce(%conv3_bn_pixels init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x196x64xf32>, tensor<f32>) -> tensor<128x64xf32>
    %conv3_bn_total = stablehlo.reduce(%conv3_bn_total_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x64xf32>, tensor<f32>) -> tensor<64xf32>
    %c_25088_64 = stablehlo.constant dense<25088.0> : tensor<64xf32>
    %conv3_bn_mean = stablehlo.divide %conv3_bn_total, %c_25088_64 : tensor<64xf32>
    %conv3_bn_mean_pixels = stablehlo.broadcast_in_dim %conv3_bn_mean, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %conv3_bn_centred = stablehlo.subtract %conv3_bn_pixels, %conv3_bn_mean_pixels : tensor<128x196x64xf32>
    %conv3_bn_squares = stablehlo.multiply %conv3_bn_centred, %conv3_bn_centred : tensor<128x196x64xf32>
    %conv3_bn_total_squares_images = stablehlo.reduce(%conv3_bn_squares init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x196x64xf32>, tensor<f32>) -> tensor<128x64xf32>
    %conv3_bn_total_squares = stablehlo.reduce(%conv3_bn_total_squares_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x64xf32>, tensor<f32>) -> tensor<64xf32>
    %conv3_bn_var = stablehlo.divide %conv3_bn_total_squares, %c_25088_64 : tensor<64xf32>
    %c_1em05_64 = stablehlo.constant dense<1.0e-05> : tensor<64xf32>
    %conv3_bn_var_eps = stablehlo.add %conv3_bn_var, %c_1em05_64 : tensor<64xf32>
    %conv3_bn_std = stablehlo.sqrt %conv3_bn_var_eps : tensor<64xf32>
    %c_1_64 = stablehlo.constant dense<1.0> : tensor<64xf32>
    %conv3_bn_istd = stablehlo.divide %c_1_64, %conv3_bn_std : tensor<64xf32>
    %conv3_bn_mean_pixels_2 = stablehlo.broadcast_in_dim %conv3_bn_mean, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %conv3_bn_centred_2 = stablehlo.subtract %conv3_bn_pixels, %conv3_bn_mean_pixels_2 : tensor<128x196x64xf32>
    %conv3_bn_istd_pixels = stablehlo.broadcast_in_dim %conv3_bn_istd, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %conv3_bn_xhat = stablehlo.multiply %conv3_bn_centred_2, %conv3_bn_istd_pixels : tensor<128x196x64xf32>
    %conv3_bn_gamma_pixels = stablehlo.broadcast_in_dim %conv3_gamma, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %conv3_bn_scaled = stablehlo.multiply %conv3_bn_xhat, %conv3_bn_gamma_pixels : tensor<128x196x64xf32>
    %conv3_bn_beta_pixels = stablehlo.broadcast_in_dim %conv3_beta, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %conv3_bn_y_pixels = stablehlo.add %conv3_bn_scaled, %conv3_bn_beta_pixels : tensor<128x196x64xf32>
    %conv3_bn_first = stablehlo.compare EQ, %t, %c_1, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %conv3_bn_first_channels = stablehlo.broadcast_in_dim %conv3_bn_first, dims = [] : (tensor<i1>) -> tensor<64xi1>
    %c_0p9_64 = stablehlo.constant dense<0.9> : tensor<64xf32>
    %conv3_bn_mean_kept = stablehlo.multiply %conv3_mean, %c_0p9_64 : tensor<64xf32>
    %c_0p09999999999999998_64 = stablehlo.constant dense<0.09999999999999998> : tensor<64xf32>
    %conv3_bn_mean_batch = stablehlo.multiply %conv3_bn_mean, %c_0p09999999999999998_64 : tensor<64xf32>
    %conv3_bn_mean_later = stablehlo.add %conv3_bn_mean_kept, %conv3_bn_mean_batch : tensor<64xf32>
    %conv3_bn_mean_new = stablehlo.select %conv3_bn_first_channels, %conv3_bn_mean, %conv3_bn_mean_later : tensor<64xi1>, tensor<64xf32>
    %conv3_bn_var_kept = stablehlo.multiply %conv3_var, %c_0p9_64 : tensor<64xf32>
    %conv3_bn_var_batch = stablehlo.multiply %conv3_bn_var, %c_0p09999999999999998_64 : tensor<64xf32>
    %conv3_bn_var_later = stablehlo.add %conv3_bn_var_kept, %conv3_bn_var_batch : tensor<64xf32>
    %conv3_bn_var_new = stablehlo.select %conv3_bn_first_channels, %conv3_bn_var, %conv3_bn_var_later : tensor<64xi1>, tensor<64xf32>
    %conv3_bn_y = stablehlo.reshape %conv3_bn_y_pixels : (tensor<128x196x64xf32>) -> tensor<128x14x14x64xf32>
    // conv3.relu: Relu 64x14x14 -> 64x14x14
    %c_0_128_14_14_64 = stablehlo.constant dense<0.0> : tensor<128x14x14x64xf32>
    %conv3_relu_y = stablehlo.maximum %conv3_bn_y, %c_0_128_14_14_64 : tensor<128x14x14x64xf32>
    // conv4: Convolution 64x14x14 -> 64x14x14
    %conv4_w_tap = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 0:1:1, 0:1:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %conv4_reshape = stablehlo.reshape %conv4_w_tap : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %conv4_w_tap_io = stablehlo.transpose %conv4_reshape, dims = [1, 0] : (tensor<64x64xf32>) -> tensor<64x64xf32>
    %conv4_reshape_2 = stablehlo.reshape %conv4_w_tap_io : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %conv4_w_tap_2 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 0:1:1, 1:2:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %conv4_reshape_3 = stablehlo.reshape %conv4_w_tap_2 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %conv4_w_tap_io_2 = stablehlo.transpose %conv4_reshape_3, dims = [1, 0] : (tensor<64x64xf32>) -> tensor<64x64xf32>
    %conv4_reshape_4 = stablehlo.reshape %conv4_w_tap_io_2 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %conv4_w_tap_3 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 0:1:1, 2:3:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %conv4_reshape_5 = stablehlo.reshape %conv4_w_tap_3 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %conv4_w_tap_io_3 = stablehlo.transpose %conv4_reshape_5, dims = [1, 0] : (tensor<64x64xf32>) -> tensor<64x64xf32>
    %conv4_reshape_6 = stablehlo.reshape %conv4_w_tap_io_3 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %conv4_w_tap_4 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 1:2:1, 0:1:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %conv4_reshape_7 = stablehlo.reshape %conv4_w_tap_4 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %conv4_w_tap_io_4 = stablehlo.transpose %conv4_reshape_7, dims = [1, 0] : (tensor<64x64xf32>) -> tensor<64x64xf32>
    %conv4_reshape_8 = stablehlo.reshape %conv4_w_tap_io_4 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %conv4_w_tap_5 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 1:2:1, 1:2:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %conv4_reshape_9 = stablehlo.reshape %conv4_w_tap_5 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %conv4_w_tap_io_5 = stablehlo.transpose %conv4_reshape_9, dims = [1, 0] : (tensor<64x64xf32>) -> tensor<64x64xf32>
    %conv4_reshape_10 = stablehlo.reshape %conv4_w_tap_io_5 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %conv4_w_tap_6 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 1:2:1, 2:3:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %conv4_reshape_11 = stablehlo.reshape %conv4_w_tap_6 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %conv4_w_tap_io_6 = stablehlo.transpose %conv4_reshape_11, dims = [1, 0] : (tensor<64x64xf32>) -> tensor<64x64xf32>
    %conv4_reshape_12 = stablehlo.reshape %conv4_w_tap_io_6 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %conv4_w_tap_7 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 2:3:1, 0:1:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %conv4_reshape_13 = stablehlo.reshape %conv4_w_tap_7 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %conv4_w_tap_io_7 = stablehlo.transpose %conv4_reshape_13, dims = [1, 0] : (tensor<64x64xf32>) -> tensor<64x64xf32>
    %conv4_reshape_14 = stablehlo.reshape %conv4_w_tap_io_7 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %conv4_w_tap_8 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 2:3:1, 1:2:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %conv4_reshape_15 = stablehlo.reshape %conv4_w_tap_8 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %conv4_w_tap_io_8 = stablehlo.transpose %conv4_reshape_15, dims = [1, 0] : (tensor<64x64xf32>) -> tensor<64x64xf32>
    %conv4_reshape_16 = stablehlo.reshape %conv4_w_tap_io_8 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %conv4_w_tap_9 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 2:3:1, 2:3:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %conv4_reshape_17 = stablehlo.reshape %conv4_w_tap_9 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %conv4_w_tap_io_9 = stablehlo.transpose %conv4_reshape_17, dims = [1, 0] : (tensor<64x64xf32>) -> tensor<64x64xf32>
    %conv4_reshape_18 = stablehlo.reshape %conv4_w_tap_io_9 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %conv4_w_taps = stablehlo.concatenate %conv4_reshape_2, %conv4_reshape_4, %conv4_reshape_6, %conv4_reshape_8, %conv4_reshape_10, %conv4_reshape_12, %conv4_reshape_14, %conv4_reshape_16, %conv4_reshape_18, dim = 0 : (tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>) -> tensor<9x1x64x64xf32>
    %conv4_w_hwio = stablehlo.reshape %conv4_w_taps : (tensor<9x1x64x64xf32>) -> tensor<3x3x64x64xf32>
    %conv4_y = stablehlo.convolution(%conv3_relu_y, %conv4_w_hwio) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [1, 1], pad = [[1, 1], [1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<128x14x14x64xf32>, tensor<3x3x64x64xf32>) -> tensor<128x14x14x64xf32>
    // conv4.bn: BatchNorm 64x14x14 -> 64x14x14
    %conv4_bn_pixels = stablehlo.reshape %conv4_y : (tensor<128x14x14x64xf32>) -> tensor<128x196x64xf32>
    %conv4_bn_total_images = stablehlo.reduce(%conv4_bn_pixels init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x196x64xf32>, tensor<f32>) -> tensor<128x64xf32>
    %conv4_bn_total = stablehlo.reduce(%conv4_bn_total_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x64xf32>, tensor<f32>) -> tensor<64xf32>
    %conv4_bn_mean = stablehlo.divide %conv4_bn_total, %c_25088_64 : tensor<64xf32>
    %conv4_bn_mean_pixels = stablehlo.broadcast_in_dim %conv4_bn_mean, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %conv4_bn_centred = stablehlo.subtract %conv4_bn_pixels, %conv4_bn_mean_pixels : tensor<128x196x64xf32>
    %conv4_bn_squares = stablehlo.multiply %conv4_bn_centred, %conv4_bn_centred : tensor<128x196x64xf32>
    %conv4_bn_total_squares_images = stablehlo.reduce(%conv4_bn_squares init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x196x64xf32>, tensor<f32>) -> tensor<128x64xf32>
    %conv4_bn_total_squares = stablehlo.reduce(%conv4_bn_total_squares_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x64xf32>, tensor<f32>) -> tensor<64xf32>
    %conv4_bn_var = stablehlo.divide %conv4_bn_total_squares, %c_25088_64 : tensor<64xf32>
    %conv4_bn_var_eps = stablehlo.add %conv4_bn_var, %c_1em05_64 : tensor<64xf32>
    %conv4_bn_std = stablehlo.sqrt %conv4_bn_var_eps : tensor<64xf32>
    %conv4_bn_istd = stablehlo.divide %c_1_64, %conv4_bn_std : tensor<64xf32>
    %conv4_bn_mean_pixels_2 = stablehlo.broadcast_in_dim %conv4_bn_mean, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %conv4_bn_centred_2 = stablehlo.subtract %conv4_bn_pixels, %conv4_bn_mean_pixels_2 : tensor<128x196x64xf32>
    %conv4_bn_istd_pixels = stablehlo.broadcast_in_dim %conv4_bn_istd, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %conv4_bn_xhat = stablehlo.multiply %conv4_bn_centred_2, %conv4_bn_istd_pixels : tensor<128x196x64xf32>
    %conv4_bn_gamma_pixels = stablehlo.broadcast_in_dim %conv4_gamma, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %conv4_bn_scaled = stablehlo.multiply %conv4_bn_xhat, %conv4_bn_gamma_pixels : tensor<128x196x64xf32>
    %conv4_bn_beta_pixels = stablehlo.broadcast_in_dim %conv4_beta, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %conv4_bn_y_pixels = stablehlo.add %conv4_bn_scaled, %conv4_bn_beta_pixels : tensor<128x196x64xf32>
    %conv4_bn_first = stablehlo.compare EQ, %t, %c_1, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %conv4_bn_first_channels = stablehlo.broadcast_in_dim %conv4_bn_first, dims = [] : (tensor<i1>) -> tensor<64xi1>
    %conv4_bn_mean_kept = stablehlo.multiply %conv4_mean, %c_0p9_64 : tensor<64xf32>
    %conv4_bn_mean_batch = stablehlo.multiply %conv4_bn_mean, %c_0p09999999999999998_64 : tensor<64xf32>
    %conv4_bn_mean_later = stablehlo.add %conv4_bn_mean_kept, %conv4_bn_mean_batch : tensor<64xf32>
    %conv4_bn_mean_new = stablehlo.select %conv4_bn_first_channels, %conv4_bn_mean, %conv4_bn_mean_later : tensor<64xi1>, tensor<64xf32>
    %conv4_bn_var_kept = stablehlo.multiply %conv4_var, %c_0p9_64 : tensor<64xf32>
    %conv4_bn_var_batch = stablehlo.multiply %conv4_bn_var, %c_0p09999999999999998_64 : tensor<64xf32>
    %conv4_bn_var_later = stablehlo.add %conv4_bn_var_kept, %conv4_bn_var_batch : tensor<64xf32>
    %conv4_bn_var_new = stablehlo.select %conv4_bn_first_channels, %conv4_bn_var, %conv4_bn_var_later : tensor<64xi1>, tensor<64xf32>
    %conv4_bn_y = stablehlo.reshape %conv4_bn_y_pixels : (tensor<128x196x64xf32>) -> tensor<128x14x14x64xf32>
    // conv4.relu: Relu 64x14x14 -> 64x14x14
    %conv4_relu_y = stablehlo.maximum %conv4_bn_y, %c_0_128_14_14_64 : tensor<128x14x14x64xf32>
    // pool2: MaxPool 64x14x14 -> 64x7x7
    %pool2_tap00 = stablehlo.slice %conv4_relu_y [0:128:1, 0:13:2, 0:13:2, 0:64:1] : (tensor<128x14x14x64xf32>) -> tensor<128x7x7x64xf32>
    %pool2_tap01 = stablehlo.slice %conv4_relu_y [0:128:1, 0:13:2, 1:14:2, 0:64:1] : (tensor<128x14x14x64xf32>) -> tensor<128x7x7x64xf32>
    %pool2_tap10 = stablehlo.slice %conv4_relu_y [0:128:1, 1:14:2, 0:13:2, 0:64:1] : (tensor<128x14x14x64xf32>) -> tensor<128x7x7x64xf32>
    %pool2_tap11 = stablehlo.slice %conv4_relu_y [0:128:1, 1:14:2, 1:14:2, 0:64:1] : (tensor<128x14x14x64xf32>) -> tensor<128x7x7x64xf32>
    %pool2_max1 = stablehlo.maximum %pool2_tap00, %pool2_tap01 : tensor<128x7x7x64xf32>
    %pool2_max2 = stablehlo.maximum %pool2_max1, %pool2_tap10 : tensor<128x7x7x64xf32>
    %pool2_max3 = stablehlo.maximum %pool2_max2, %pool2_tap11 : tensor<128x7x7x64xf32>
    %pool2_greater1 = stablehlo.compare GT, %pool2_tap01, %pool2_tap00, FLOAT : (tensor<128x7x7x64xf32>, tensor<128x7x7x64xf32>) -> tensor<128x7x7x64xi1>
    %c_1_128_7_7_64 = stablehlo.constant dense<1> : tensor<128x7x7x64xi32>
    %c_0_128_7_7_64 = stablehlo.constant dense<0> : tensor<128x7x7x64xi32>
    %pool2_first1 = stablehlo.select %pool2_greater1, %c_1_128_7_7_64, %c_0_128_7_7_64 : tensor<128x7x7x64xi1>, tensor<128x7x7x64xi32>
    %pool2_best1 = stablehlo.select %pool2_greater1, %pool2_tap01, %pool2_tap00 : tensor<128x7x7x64xi1>, tensor<128x7x7x64xf32>
    %pool2_greater2 = stablehlo.compare GT, %pool2_tap10, %pool2_best1, FLOAT : (tensor<128x7x7x64xf32>, tensor<128x7x7x64xf32>) -> tensor<128x7x7x64xi1>
    %c_2_128_7_7_64 = stablehlo.constant dense<2> : tensor<128x7x7x64xi32>
    %pool2_first2 = stablehlo.select %pool2_greater2, %c_2_128_7_7_64, %pool2_first1 : tensor<128x7x7x64xi1>, tensor<128x7x7x64xi32>
    %pool2_best2 = stablehlo.select %pool2_greater2, %pool2_tap10, %pool2_best1 : tensor<128x7x7x64xi1>, tensor<128x7x7x64xf32>
    %pool2_greater3 = stablehlo.compare GT, %pool2_tap11, %pool2_best2, FLOAT : (tensor<128x7x7x64xf32>, tensor<128x7x7x64xf32>) -> tensor<128x7x7x64xi1>
    %c_3_128_7_7_64 = stablehlo.constant dense<3> : tensor<128x7x7x64xi32>
    %pool2_first3 = stablehlo.select %pool2_greater3, %c_3_128_7_7_64, %pool2_first2 : tensor<128x7x7x64xi1>, tensor<128x7x7x64xi32>
    %pool2_takes0 = stablehlo.compare EQ, %pool2_first3, %c_0_128_7_7_64, SIGNED : (tensor<128x7x7x64xi32>, tensor<128x7x7x64xi32>) -> tensor<128x7x7x64xi1>
    %pool2_takes1 = stablehlo.compare EQ, %pool2_first3, %c_1_128_7_7_64, SIGNED : (tensor<128x7x7x64xi32>, tensor<128x7x7x64xi32>) -> tensor<128x7x7x64xi1>
    %pool2_takes2 = stablehlo.compare EQ, %pool2_first3, %c_2_128_7_7_64, SIGNED : (tensor<128x7x7x64xi32>, tensor<128x7x7x64xi32>) -> tensor<128x7x7x64xi1>
    %pool2_takes3 = stablehlo.compare EQ, %pool2_first3, %c_3_128_7_7_64, SIGNED : (tensor<128x7x7x64xi32>, tensor<128x7x7x64xi32>) -> tensor<128x7x7x64xi1>
    // flatten1: Flatten 64x7x7 -> 3136
    %flatten1_nchw = stablehlo.transpose %pool2_max3, dims = [0, 3, 1, 2] : (tensor<128x7x7x64xf32>) -> tensor<128x64x7x7xf32>
    %flatten1_y = stablehlo.reshape %flatten1_nchw : (tensor<128x64x7x7xf32>) -> tensor<128x3136xf32>
    // dense1: Dense 3136 -> 512
    %dense1_x_blocks = stablehlo.reshape %flatten1_y : (tensor<128x3136xf32>) -> tensor<128x7x448xf32>
    %dense1_w_blocks = stablehlo.reshape %dense1_w : (tensor<3136x512xf32>) -> tensor<7x448x512xf32>
    %dense1_xw_blocks = stablehlo.dot_general %dense1_x_blocks, %dense1_w_blocks, batching_dims = [1] x [0], contracting_dims = [2] x [1] : (tensor<128x7x448xf32>, tensor<7x448x512xf32>) -> tensor<7x128x512xf32>
    %dense1_xw = stablehlo.reduce(%dense1_xw_blocks init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<7x128x512xf32>, tensor<f32>) -> tensor<128x512xf32>
    %dense1_b_rows = stablehlo.broadcast_in_dim %dense1_b, dims = [1] : (tensor<512xf32>) -> tensor<128x512xf32>
    %dense1_y = stablehlo.add %dense1_xw, %dense1_b_rows : tensor<128x512xf32>
    // dense1.relu: Relu 512 -> 512
    %c_0_128_512 = stablehlo.constant dense<0.0> : tensor<128x512xf32>
    %dense1_relu_y = stablehlo.maximum %dense1_y, %c_0_128_512 : tensor<128x512xf32>
    // dense2: Dense 512 -> 10
    %dense2_xw = stablehlo.dot_general %dense1_relu_y, %dense2_w, contracting_dims = [1] x [0] : (tensor<128x512xf32>, tensor<512x10xf32>) -> tensor<128x10xf32>
    %dense2_b_rows = stablehlo.broadcast_in_dim %dense2_b, dims = [1] : (tensor<10xf32>) -> tensor<128x10xf32>
    %dense2_y = stablehlo.add %dense2_xw, %dense2_b_rows : tensor<128x10xf32>
    // Loss: SoftmaxCrossEntropy
    %c_minf = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %loss_max = stablehlo.reduce(%dense2_y init: %c_minf) applies stablehlo.maximum across dimensions = [1] : (tensor<128x10xf32>, tensor<f32>) -> tensor<128xf32>
    %loss_max_row = stablehlo.broadcast_in_dim %loss_max, dims = [0] : (tensor<128xf32>) -> tensor<128x10xf32>
    %loss_shifted = stablehlo.subtract %dense2_y, %loss_max_row : tensor<128x10xf32>
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
    // dense2: backward
    %d_dense2_dw = stablehlo.dot_general %dense1_relu_y, %loss_dz, contracting_dims = [0] x [0] : (tensor<128x512xf32>, tensor<128x10xf32>) -> tensor<512x10xf32>
    %d_dense2_db = stablehlo.reduce(%loss_dz init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x10xf32>, tensor<f32>) -> tensor<10xf32>
    %d_dense2_dx = stablehlo.dot_general %loss_dz, %dense2_w, contracting_dims = [1] x [1] : (tensor<128x10xf32>, tensor<512x10xf32>) -> tensor<128x512xf32>
    // dense1.relu: backward
    %d_dense1_relu_positive = stablehlo.compare GT, %dense1_relu_y, %c_0_128_512, FLOAT : (tensor<128x512xf32>, tensor<128x512xf32>) -> tensor<128x512xi1>
    %d_dense1_relu_dx = stablehlo.select %d_dense1_relu_positive, %d_dense2_dx, %c_0_128_512 : tensor<128x512xi1>, tensor<128x512xf32>
    // dense1: backward
    %d_dense1_dw = stablehlo.dot_general %flatten1_y, %d_dense1_relu_dx, contracting_dims = [0] x [0] : (tensor<128x3136xf32>, tensor<128x512xf32>) -> tensor<3136x512xf32>
    %d_dense1_db = stablehlo.reduce(%d_dense1_relu_dx init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x512xf32>, tensor<f32>) -> tensor<512xf32>
    %d_dense1_dx = stablehlo.dot_general %d_dense1_relu_dx, %dense1_w, contracting_dims = [1] x [1] : (tensor<128x512xf32>, tensor<3136x512xf32>) -> tensor<128x3136xf32>
    // flatten1: backward
    %d_flatten1_nchw = stablehlo.reshape %d_dense1_dx : (tensor<128x3136xf32>) -> tensor<128x64x7x7xf32>
    %d_flatten1_dx = stablehlo.transpose %d_flatten1_nchw, dims = [0, 2, 3, 1] : (tensor<128x64x7x7xf32>) -> tensor<128x7x7x64xf32>
    // pool2: backward
    %c_0_128_7_7_64_2 = stablehlo.constant dense<0.0> : tensor<128x7x7x64xf32>
    %d_pool2_part0 = stablehlo.select %pool2_takes0, %d_flatten1_dx, %c_0_128_7_7_64_2 : tensor<128x7x7x64xi1>, tensor<128x7x7x64xf32>
    %d_pool2_part1 = stablehlo.select %pool2_takes1, %d_flatten1_dx, %c_0_128_7_7_64_2 : tensor<128x7x7x64xi1>, tensor<128x7x7x64xf32>
    %d_pool2_part2 = stablehlo.select %pool2_takes2, %d_flatten1_dx, %c_0_128_7_7_64_2 : tensor<128x7x7x64xi1>, tensor<128x7x7x64xf32>
    %d_pool2_part3 = stablehlo.select %pool2_takes3, %d_flatten1_dx, %c_0_128_7_7_64_2 : tensor<128x7x7x64xi1>, tensor<128x7x7x64xf32>
    %d_pool2_cell = stablehlo.reshape %d_pool2_part0 : (tensor<128x7x7x64xf32>) -> tensor<128x7x1x7x1x64xf32>
    %d_pool2_cell_2 = stablehlo.reshape %d_pool2_part1 : (tensor<128x7x7x64xf32>) -> tensor<128x7x1x7x1x64xf32>
    %d_pool2_cell_3 = stablehlo.reshape %d_pool2_part2 : (tensor<128x7x7x64xf32>) -> tensor<128x7x1x7x1x64xf32>
    %d_pool2_cell_4 = stablehlo.reshape %d_pool2_part3 : (tensor<128x7x7x64xf32>) -> tensor<128x7x1x7x1x64xf32>
    %d_pool2_cell_row = stablehlo.concatenate %d_pool2_cell, %d_pool2_cell_2, dim = 4 : (tensor<128x7x1x7x1x64xf32>, tensor<128x7x1x7x1x64xf32>) -> tensor<128x7x1x7x2x64xf32>
    %d_pool2_cell_row_2 = stablehlo.concatenate %d_pool2_cell_3, %d_pool2_cell_4, dim = 4 : (tensor<128x7x1x7x1x64xf32>, tensor<128x7x1x7x1x64xf32>) -> tensor<128x7x1x7x2x64xf32>
    %d_pool2_cells = stablehlo.concatenate %d_pool2_cell_row, %d_pool2_cell_row_2, dim = 2 : (tensor<128x7x1x7x2x64xf32>, tensor<128x7x1x7x2x64xf32>) -> tensor<128x7x2x7x2x64xf32>
    %d_pool2_dx = stablehlo.reshape %d_pool2_cells : (tensor<128x7x2x7x2x64xf32>) -> tensor<128x14x14x64xf32>
    // conv4.relu: backward
    %d_conv4_relu_positive = stablehlo.compare GT, %conv4_relu_y, %c_0_128_14_14_64, FLOAT : (tensor<128x14x14x64xf32>, tensor<128x14x14x64xf32>) -> tensor<128x14x14x64xi1>
    %d_conv4_relu_dx = stablehlo.select %d_conv4_relu_positive, %d_pool2_dx, %c_0_128_14_14_64 : tensor<128x14x14x64xi1>, tensor<128x14x14x64xf32>
    // conv4.bn: backward
    %d_conv4_bn_pixels = stablehlo.reshape %d_conv4_relu_dx : (tensor<128x14x14x64xf32>) -> tensor<128x196x64xf32>
    %d_conv4_bn_mean_pixels = stablehlo.broadcast_in_dim %conv4_bn_mean, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %d_conv4_bn_centred = stablehlo.subtract %conv4_bn_pixels, %d_conv4_bn_mean_pixels : tensor<128x196x64xf32>
    %d_conv4_bn_istd_pixels = stablehlo.broadcast_in_dim %conv4_bn_istd, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %d_conv4_bn_xhat = stablehlo.multiply %d_conv4_bn_centred, %d_conv4_bn_istd_pixels : tensor<128x196x64xf32>
    %d_conv4_bn_dbeta_images = stablehlo.reduce(%d_conv4_bn_pixels init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x196x64xf32>, tensor<f32>) -> tensor<128x64xf32>
    %d_conv4_bn_dbeta = stablehlo.reduce(%d_conv4_bn_dbeta_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x64xf32>, tensor<f32>) -> tensor<64xf32>
    %d_conv4_bn_dy_xhat = stablehlo.multiply %d_conv4_bn_pixels, %d_conv4_bn_xhat : tensor<128x196x64xf32>
    %d_conv4_bn_dgamma_images = stablehlo.reduce(%d_conv4_bn_dy_xhat init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x196x64xf32>, tensor<f32>) -> tensor<128x64xf32>
    %d_conv4_bn_dgamma = stablehlo.reduce(%d_conv4_bn_dgamma_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x64xf32>, tensor<f32>) -> tensor<64xf32>
    %d_conv4_bn_istd_gamma = stablehlo.multiply %conv4_bn_istd, %conv4_gamma : tensor<64xf32>
    %c_3p985969387755102em05_64 = stablehlo.constant dense<3.985969387755102e-05> : tensor<64xf32>
    %d_conv4_bn_scale = stablehlo.multiply %d_conv4_bn_istd_gamma, %c_3p985969387755102em05_64 : tensor<64xf32>
    %c_25088_128_196_64 = stablehlo.constant dense<25088.0> : tensor<128x196x64xf32>
    %d_conv4_bn_n_dy = stablehlo.multiply %d_conv4_bn_pixels, %c_25088_128_196_64 : tensor<128x196x64xf32>
    %d_conv4_bn_dbeta_pixels = stablehlo.broadcast_in_dim %d_conv4_bn_dbeta, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %d_conv4_bn_less_mean = stablehlo.subtract %d_conv4_bn_n_dy, %d_conv4_bn_dbeta_pixels : tensor<128x196x64xf32>
    %d_conv4_bn_dgamma_pixels = stablehlo.broadcast_in_dim %d_conv4_bn_dgamma, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %d_conv4_bn_var_part = stablehlo.multiply %d_conv4_bn_xhat, %d_conv4_bn_dgamma_pixels : tensor<128x196x64xf32>
    %d_conv4_bn_less_var = stablehlo.subtract %d_conv4_bn_less_mean, %d_conv4_bn_var_part : tensor<128x196x64xf32>
    %d_conv4_bn_scale_pixels = stablehlo.broadcast_in_dim %d_conv4_bn_scale, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %d_conv4_bn_dx_pixels = stablehlo.multiply %d_conv4_bn_less_var, %d_conv4_bn_scale_pixels : tensor<128x196x64xf32>
    %d_conv4_bn_dx = stablehlo.reshape %d_conv4_bn_dx_pixels : (tensor<128x196x64xf32>) -> tensor<128x14x14x64xf32>
    // conv4: backward
    %d_conv4_x_padded = stablehlo.pad %conv3_relu_y, %c_0, low = [0, 1, 1, 0], high = [0, 1, 1, 0], interior = [0, 0, 0, 0] : (tensor<128x14x14x64xf32>, tensor<f32>) -> tensor<128x16x16x64xf32>
    %d_conv4_x_tap0 = stablehlo.slice %d_conv4_x_padded [0:128:1, 0:16:1, 0:14:1, 0:64:1] : (tensor<128x16x16x64xf32>) -> tensor<128x16x14x64xf32>
    %d_conv4_x_tap1 = stablehlo.slice %d_conv4_x_padded [0:128:1, 0:16:1, 1:15:1, 0:64:1] : (tensor<128x16x16x64xf32>) -> tensor<128x16x14x64xf32>
    %d_conv4_x_tap2 = stablehlo.slice %d_conv4_x_padded [0:128:1, 0:16:1, 2:16:1, 0:64:1] : (tensor<128x16x16x64xf32>) -> tensor<128x16x14x64xf32>
    %d_conv4_x_taps = stablehlo.concatenate %d_conv4_x_tap0, %d_conv4_x_tap1, %d_conv4_x_tap2, dim = 3 : (tensor<128x16x14x64xf32>, tensor<128x16x14x64xf32>, tensor<128x16x14x64xf32>) -> tensor<128x16x14x192xf32>
    %d_conv4_dy_rows = stablehlo.reshape %d_conv4_bn_dx : (tensor<128x14x14x64xf32>) -> tensor<128x196x64xf32>
    %d_conv4_x_row0 = stablehlo.slice %d_conv4_x_taps [0:128:1, 0:14:1, 0:14:1, 0:192:1] : (tensor<128x16x14x192xf32>) -> tensor<128x14x14x192xf32>
    %d_conv4_x_row0_flat = stablehlo.reshape %d_conv4_x_row0 : (tensor<128x14x14x192xf32>) -> tensor<128x196x192xf32>
    %d_conv4_dw_row0_images = stablehlo.dot_general %d_conv4_x_row0_flat, %d_conv4_dy_rows, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<128x196x192xf32>, tensor<128x196x64xf32>) -> tensor<128x192x64xf32>
    %d_conv4_dw_row0 = stablehlo.reduce(%d_conv4_dw_row0_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x192x64xf32>, tensor<f32>) -> tensor<192x64xf32>
    %d_conv4_reshape = stablehlo.reshape %d_conv4_dw_row0 : (tensor<192x64xf32>) -> tensor<1x192x64xf32>
    %d_conv4_x_row1 = stablehlo.slice %d_conv4_x_taps [0:128:1, 1:15:1, 0:14:1, 0:192:1] : (tensor<128x16x14x192xf32>) -> tensor<128x14x14x192xf32>
    %d_conv4_x_row1_flat = stablehlo.reshape %d_conv4_x_row1 : (tensor<128x14x14x192xf32>) -> tensor<128x196x192xf32>
    %d_conv4_dw_row1_images = stablehlo.dot_general %d_conv4_x_row1_flat, %d_conv4_dy_rows, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<128x196x192xf32>, tensor<128x196x64xf32>) -> tensor<128x192x64xf32>
    %d_conv4_dw_row1 = stablehlo.reduce(%d_conv4_dw_row1_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x192x64xf32>, tensor<f32>) -> tensor<192x64xf32>
    %d_conv4_reshape_2 = stablehlo.reshape %d_conv4_dw_row1 : (tensor<192x64xf32>) -> tensor<1x192x64xf32>
    %d_conv4_x_row2 = stablehlo.slice %d_conv4_x_taps [0:128:1, 2:16:1, 0:14:1, 0:192:1] : (tensor<128x16x14x192xf32>) -> tensor<128x14x14x192xf32>
    %d_conv4_x_row2_flat = stablehlo.reshape %d_conv4_x_row2 : (tensor<128x14x14x192xf32>) -> tensor<128x196x192xf32>
    %d_conv4_dw_row2_images = stablehlo.dot_general %d_conv4_x_row2_flat, %d_conv4_dy_rows, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<128x196x192xf32>, tensor<128x196x64xf32>) -> tensor<128x192x64xf32>
    %d_conv4_dw_row2 = stablehlo.reduce(%d_conv4_dw_row2_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x192x64xf32>, tensor<f32>) -> tensor<192x64xf32>
    %d_conv4_reshape_3 = stablehlo.reshape %d_conv4_dw_row2 : (tensor<192x64xf32>) -> tensor<1x192x64xf32>
    %d_conv4_dw_rows = stablehlo.concatenate %d_conv4_reshape, %d_conv4_reshape_2, %d_conv4_reshape_3, dim = 0 : (tensor<1x192x64xf32>, tensor<1x192x64xf32>, tensor<1x192x64xf32>) -> tensor<3x192x64xf32>
    %d_conv4_dw_hwio = stablehlo.reshape %d_conv4_dw_rows : (tensor<3x192x64xf32>) -> tensor<3x3x64x64xf32>
    %d_conv4_dw = stablehlo.transpose %d_conv4_dw_hwio, dims = [3, 2, 0, 1] : (tensor<3x3x64x64xf32>) -> tensor<64x64x3x3xf32>
    %d_conv4_w_tap = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 2:3:1, 2:3:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %d_conv4_reshape_4 = stablehlo.reshape %d_conv4_w_tap : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %d_conv4_reshape_5 = stablehlo.reshape %d_conv4_reshape_4 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %d_conv4_w_tap_2 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 2:3:1, 1:2:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %d_conv4_reshape_6 = stablehlo.reshape %d_conv4_w_tap_2 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %d_conv4_reshape_7 = stablehlo.reshape %d_conv4_reshape_6 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %d_conv4_w_tap_3 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 2:3:1, 0:1:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %d_conv4_reshape_8 = stablehlo.reshape %d_conv4_w_tap_3 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %d_conv4_reshape_9 = stablehlo.reshape %d_conv4_reshape_8 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %d_conv4_w_tap_4 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 1:2:1, 2:3:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %d_conv4_reshape_10 = stablehlo.reshape %d_conv4_w_tap_4 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %d_conv4_reshape_11 = stablehlo.reshape %d_conv4_reshape_10 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %d_conv4_w_tap_5 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 1:2:1, 1:2:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %d_conv4_reshape_12 = stablehlo.reshape %d_conv4_w_tap_5 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %d_conv4_reshape_13 = stablehlo.reshape %d_conv4_reshape_12 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %d_conv4_w_tap_6 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 1:2:1, 0:1:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %d_conv4_reshape_14 = stablehlo.reshape %d_conv4_w_tap_6 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %d_conv4_reshape_15 = stablehlo.reshape %d_conv4_reshape_14 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %d_conv4_w_tap_7 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 0:1:1, 2:3:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %d_conv4_reshape_16 = stablehlo.reshape %d_conv4_w_tap_7 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %d_conv4_reshape_17 = stablehlo.reshape %d_conv4_reshape_16 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %d_conv4_w_tap_8 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 0:1:1, 1:2:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %d_conv4_reshape_18 = stablehlo.reshape %d_conv4_w_tap_8 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %d_conv4_reshape_19 = stablehlo.reshape %d_conv4_reshape_18 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %d_conv4_w_tap_9 = stablehlo.slice %conv4_w [0:64:1, 0:64:1, 0:1:1, 0:1:1] : (tensor<64x64x3x3xf32>) -> tensor<64x64x1x1xf32>
    %d_conv4_reshape_20 = stablehlo.reshape %d_conv4_w_tap_9 : (tensor<64x64x1x1xf32>) -> tensor<64x64xf32>
    %d_conv4_reshape_21 = stablehlo.reshape %d_conv4_reshape_20 : (tensor<64x64xf32>) -> tensor<1x1x64x64xf32>
    %d_conv4_w_taps = stablehlo.concatenate %d_conv4_reshape_5, %d_conv4_reshape_7, %d_conv4_reshape_9, %d_conv4_reshape_11, %d_conv4_reshape_13, %d_conv4_reshape_15, %d_conv4_reshape_17, %d_conv4_reshape_19, %d_conv4_reshape_21, dim = 0 : (tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>, tensor<1x1x64x64xf32>) -> tensor<9x1x64x64xf32>
    %d_conv4_w_hwoi = stablehlo.reshape %d_conv4_w_taps : (tensor<9x1x64x64xf32>) -> tensor<3x3x64x64xf32>
    %d_conv4_dx = stablehlo.convolution(%d_conv4_bn_dx, %d_conv4_w_hwoi) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [1, 1], pad = [[1, 1], [1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<128x14x14x64xf32>, tensor<3x3x64x64xf32>) -> tensor<128x14x14x64xf32>
    // conv3.relu: backward
    %d_conv3_relu_positive = stablehlo.compare GT, %conv3_relu_y, %c_0_128_14_14_64, FLOAT : (tensor<128x14x14x64xf32>, tensor<128x14x14x64xf32>) -> tensor<128x14x14x64xi1>
    %d_conv3_relu_dx = stablehlo.select %d_conv3_relu_positive, %d_conv4_dx, %c_0_128_14_14_64 : tensor<128x14x14x64xi1>, tensor<128x14x14x64xf32>
    // conv3.bn: backward
    %d_conv3_bn_pixels = stablehlo.reshape %d_conv3_relu_dx : (tensor<128x14x14x64xf32>) -> tensor<128x196x64xf32>
    %d_conv3_bn_mean_pixels = stablehlo.broadcast_in_dim %conv3_bn_mean, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %d_conv3_bn_centred = stablehlo.subtract %conv3_bn_pixels, %d_conv3_bn_mean_pixels : tensor<128x196x64xf32>
    %d_conv3_bn_istd_pixels = stablehlo.broadcast_in_dim %conv3_bn_istd, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %d_conv3_bn_xhat = stablehlo.multiply %d_conv3_bn_centred, %d_conv3_bn_istd_pixels : tensor<128x196x64xf32>
    %d_conv3_bn_dbeta_images = stablehlo.reduce(%d_conv3_bn_pixels init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x196x64xf32>, tensor<f32>) -> tensor<128x64xf32>
    %d_conv3_bn_dbeta = stablehlo.reduce(%d_conv3_bn_dbeta_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x64xf32>, tensor<f32>) -> tensor<64xf32>
    %d_conv3_bn_dy_xhat = stablehlo.multiply %d_conv3_bn_pixels, %d_conv3_bn_xhat : tensor<128x196x64xf32>
    %d_conv3_bn_dgamma_images = stablehlo.reduce(%d_conv3_bn_dy_xhat init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x196x64xf32>, tensor<f32>) -> tensor<128x64xf32>
    %d_conv3_bn_dgamma = stablehlo.reduce(%d_conv3_bn_dgamma_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x64xf32>, tensor<f32>) -> tensor<64xf32>
    %d_conv3_bn_istd_gamma = stablehlo.multiply %conv3_bn_istd, %conv3_gamma : tensor<64xf32>
    %d_conv3_bn_scale = stablehlo.multiply %d_conv3_bn_istd_gamma, %c_3p985969387755102em05_64 : tensor<64xf32>
    %d_conv3_bn_n_dy = stablehlo.multiply %d_conv3_bn_pixels, %c_25088_128_196_64 : tensor<128x196x64xf32>
    %d_conv3_bn_dbeta_pixels = stablehlo.broadcast_in_dim %d_conv3_bn_dbeta, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %d_conv3_bn_less_mean = stablehlo.subtract %d_conv3_bn_n_dy, %d_conv3_bn_dbeta_pixels : tensor<128x196x64xf32>
    %d_conv3_bn_dgamma_pixels = stablehlo.broadcast_in_dim %d_conv3_bn_dgamma, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %d_conv3_bn_var_part = stablehlo.multiply %d_conv3_bn_xhat, %d_conv3_bn_dgamma_pixels : tensor<128x196x64xf32>
    %d_conv3_bn_less_var = stablehlo.subtract %d_conv3_bn_less_mean, %d_conv3_bn_var_part : tensor<128x196x64xf32>
    %d_conv3_bn_scale_pixels = stablehlo.broadcast_in_dim %d_conv3_bn_scale, dims = [2] : (tensor<64xf32>) -> tensor<128x196x64xf32>
    %d_conv3_bn_dx_pixels = stablehlo.multiply %d_conv3_bn_less_var, %d_conv3_bn_scale_pixels : tensor<128x196x64xf32>
    %d_conv3_bn_dx = stablehlo.reshape %d_conv3_bn_dx_pixels : (tensor<128x196x64xf32>) -> tensor<128x14x14x64xf32>
    // conv3: backward
    %d_conv3_x_padded = stablehlo.pad %pool1_max3, %c_0, low = [0, 1, 1, 0], high = [0, 1, 1, 0], interior = [0, 0, 0, 0] : (tensor<128x14x14x32xf32>, tensor<f32>) -> tensor<128x16x16x32xf32>
    %d_conv3_x_tap0 = stablehlo.slice %d_conv3_x_padded [0:128:1, 0:16:1, 0:14:1, 0:32:1] : (tensor<128x16x16x32xf32>) -> tensor<128x16x14x32xf32>
    %d_conv3_x_tap1 = stablehlo.slice %d_conv3_x_padded [0:128:1, 0:16:1, 1:15:1, 0:32:1] : (tensor<128x16x16x32xf32>) -> tensor<128x16x14x32xf32>
    %d_conv3_x_tap2 = stablehlo.slice %d_conv3_x_padded [0:128:1, 0:16:1, 2:16:1, 0:32:1] : (tensor<128x16x16x32xf32>) -> tensor<128x16x14x32xf32>
    %d_conv3_x_taps = stablehlo.concatenate %d_conv3_x_tap0, %d_conv3_x_tap1, %d_conv3_x_tap2, dim = 3 : (tensor<128x16x14x32xf32>, tensor<128x16x14x32xf32>, tensor<128x16x14x32xf32>) -> tensor<128x16x14x96xf32>
    %d_conv3_dy_rows = stablehlo.reshape %d_conv3_bn_dx : (tensor<128x14x14x64xf32>) -> tensor<128x196x64xf32>
    %d_conv3_x_row0 = stablehlo.slice %d_conv3_x_taps [0:128:1, 0:14:1, 0:14:1, 0:96:1] : (tensor<128x16x14x96xf32>) -> tensor<128x14x14x96xf32>
    %d_conv3_x_row0_flat = stablehlo.reshape %d_conv3_x_row0 : (tensor<128x14x14x96xf32>) -> tensor<128x196x96xf32>
    %d_conv3_dw_row0_images = stablehlo.dot_general %d_conv3_x_row0_flat, %d_conv3_dy_rows, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<128x196x96xf32>, tensor<128x196x64xf32>) -> tensor<128x96x64xf32>
    %d_conv3_dw_row0 = stablehlo.reduce(%d_conv3_dw_row0_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x96x64xf32>, tensor<f32>) -> tensor<96x64xf32>
    %d_conv3_reshape = stablehlo.reshape %d_conv3_dw_row0 : (tensor<96x64xf32>) -> tensor<1x96x64xf32>
    %d_conv3_x_row1 = stablehlo.slice %d_conv3_x_taps [0:128:1, 1:15:1, 0:14:1, 0:96:1] : (tensor<128x16x14x96xf32>) -> tensor<128x14x14x96xf32>
    %d_conv3_x_row1_flat = stablehlo.reshape %d_conv3_x_row1 : (tensor<128x14x14x96xf32>) -> tensor<128x196x96xf32>
    %d_conv3_dw_row1_images = stablehlo.dot_general %d_conv3_x_row1_flat, %d_conv3_dy_rows, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<128x196x96xf32>, tensor<128x196x64xf32>) -> tensor<128x96x64xf32>
    %d_conv3_dw_row1 = stablehlo.reduce(%d_conv3_dw_row1_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x96x64xf32>, tensor<f32>) -> tensor<96x64xf32>
    %d_conv3_reshape_2 = stablehlo.reshape %d_conv3_dw_row1 : (tensor<96x64xf32>) -> tensor<1x96x64xf32>
    %d_conv3_x_row2 = stablehlo.slice %d_conv3_x_taps [0:128:1, 2:16:1, 0:14:1, 0:96:1] : (tensor<128x16x14x96xf32>) -> tensor<128x14x14x96xf32>
    %d_conv3_x_row2_flat = stablehlo.reshape %d_conv3_x_row2 : (tensor<128x14x14x96xf32>) -> tensor<128x196x96xf32>
    %d_conv3_dw_row2_images = stablehlo.dot_general %d_conv3_x_row2_flat, %d_conv3_dy_rows, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<128x196x96xf32>, tensor<128x196x64xf32>) -> tensor<128x96x64xf32>
    %d_conv3_dw_row2 = stablehlo.reduce(%d_conv3_dw_row2_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x96x64xf32>, tensor<f32>) -> tensor<96x64xf32>
    %d_conv3_reshape_3 = stablehlo.reshape %d_conv3_dw_row2 : (tensor<96x64xf32>) -> tensor<1x96x64xf32>
    %d_conv3_dw_rows = stablehlo.concatenate %d_conv3_reshape, %d_conv3_reshape_2, %d_conv3_reshape_3, dim = 0 : (tensor<1x96x64xf32>, tensor<1x96x64xf32>, tensor<1x96x64xf32>) -> tensor<3x96x64xf32>
    %d_conv3_dw_hwio = stablehlo.reshape %d_conv3_dw_rows : (tensor<3x96x64xf32>) -> tensor<3x3x32x64xf32>
    %d_conv3_dw = stablehlo.transpose %d_conv3_dw_hwio, dims = [3, 2, 0, 1] : (tensor<3x3x32x64xf32>) -> tensor<64x32x3x3xf32>
    %d_conv3_w_tap = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 2:3:1, 2:3:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %d_conv3_reshape_4 = stablehlo.reshape %d_conv3_w_tap : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %d_conv3_reshape_5 = stablehlo.reshape %d_conv3_reshape_4 : (tensor<64x32xf32>) -> tensor<1x1x64x32xf32>
    %d_conv3_w_tap_2 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 2:3:1, 1:2:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %d_conv3_reshape_6 = stablehlo.reshape %d_conv3_w_tap_2 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %d_conv3_reshape_7 = stablehlo.reshape %d_conv3_reshape_6 : (tensor<64x32xf32>) -> tensor<1x1x64x32xf32>
    %d_conv3_w_tap_3 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 2:3:1, 0:1:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %d_conv3_reshape_8 = stablehlo.reshape %d_conv3_w_tap_3 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %d_conv3_reshape_9 = stablehlo.reshape %d_conv3_reshape_8 : (tensor<64x32xf32>) -> tensor<1x1x64x32xf32>
    %d_conv3_w_tap_4 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 1:2:1, 2:3:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %d_conv3_reshape_10 = stablehlo.reshape %d_conv3_w_tap_4 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %d_conv3_reshape_11 = stablehlo.reshape %d_conv3_reshape_10 : (tensor<64x32xf32>) -> tensor<1x1x64x32xf32>
    %d_conv3_w_tap_5 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 1:2:1, 1:2:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %d_conv3_reshape_12 = stablehlo.reshape %d_conv3_w_tap_5 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %d_conv3_reshape_13 = stablehlo.reshape %d_conv3_reshape_12 : (tensor<64x32xf32>) -> tensor<1x1x64x32xf32>
    %d_conv3_w_tap_6 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 1:2:1, 0:1:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %d_conv3_reshape_14 = stablehlo.reshape %d_conv3_w_tap_6 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %d_conv3_reshape_15 = stablehlo.reshape %d_conv3_reshape_14 : (tensor<64x32xf32>) -> tensor<1x1x64x32xf32>
    %d_conv3_w_tap_7 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 0:1:1, 2:3:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %d_conv3_reshape_16 = stablehlo.reshape %d_conv3_w_tap_7 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %d_conv3_reshape_17 = stablehlo.reshape %d_conv3_reshape_16 : (tensor<64x32xf32>) -> tensor<1x1x64x32xf32>
    %d_conv3_w_tap_8 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 0:1:1, 1:2:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %d_conv3_reshape_18 = stablehlo.reshape %d_conv3_w_tap_8 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %d_conv3_reshape_19 = stablehlo.reshape %d_conv3_reshape_18 : (tensor<64x32xf32>) -> tensor<1x1x64x32xf32>
    %d_conv3_w_tap_9 = stablehlo.slice %conv3_w [0:64:1, 0:32:1, 0:1:1, 0:1:1] : (tensor<64x32x3x3xf32>) -> tensor<64x32x1x1xf32>
    %d_conv3_reshape_20 = stablehlo.reshape %d_conv3_w_tap_9 : (tensor<64x32x1x1xf32>) -> tensor<64x32xf32>
    %d_conv3_reshape_21 = stablehlo.reshape %d_conv3_reshape_20 : (tensor<64x32xf32>) -> tensor<1x1x64x32xf32>
    %d_conv3_w_taps = stablehlo.concatenate %d_conv3_reshape_5, %d_conv3_reshape_7, %d_conv3_reshape_9, %d_conv3_reshape_11, %d_conv3_reshape_13, %d_conv3_reshape_15, %d_conv3_reshape_17, %d_conv3_reshape_19, %d_conv3_reshape_21, dim = 0 : (tensor<1x1x64x32xf32>, tensor<1x1x64x32xf32>, tensor<1x1x64x32xf32>, tensor<1x1x64x32xf32>, tensor<1x1x64x32xf32>, tensor<1x1x64x32xf32>, tensor<1x1x64x32xf32>, tensor<1x1x64x32xf32>, tensor<1x1x64x32xf32>) -> tensor<9x1x64x32xf32>
    %d_conv3_w_hwoi = stablehlo.reshape %d_conv3_w_taps : (tensor<9x1x64x32xf32>) -> tensor<3x3x64x32xf32>
    %d_conv3_dx = stablehlo.convolution(%d_conv3_bn_dx, %d_conv3_w_hwoi) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [1, 1], pad = [[1, 1], [1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<128x14x14x64xf32>, tensor<3x3x64x32xf32>) -> tensor<128x14x14x32xf32>
    // pool1: backward
    %c_0_128_14_14_32_2 = stablehlo.constant dense<0.0> : tensor<128x14x14x32xf32>
    %d_pool1_part0 = stablehlo.select %pool1_takes0, %d_conv3_dx, %c_0_128_14_14_32_2 : tensor<128x14x14x32xi1>, tensor<128x14x14x32xf32>
    %d_pool1_part1 = stablehlo.select %pool1_takes1, %d_conv3_dx, %c_0_128_14_14_32_2 : tensor<128x14x14x32xi1>, tensor<128x14x14x32xf32>
    %d_pool1_part2 = stablehlo.select %pool1_takes2, %d_conv3_dx, %c_0_128_14_14_32_2 : tensor<128x14x14x32xi1>, tensor<128x14x14x32xf32>
    %d_pool1_part3 = stablehlo.select %pool1_takes3, %d_conv3_dx, %c_0_128_14_14_32_2 : tensor<128x14x14x32xi1>, tensor<128x14x14x32xf32>
    %d_pool1_cell = stablehlo.reshape %d_pool1_part0 : (tensor<128x14x14x32xf32>) -> tensor<128x14x1x14x1x32xf32>
    %d_pool1_cell_2 = stablehlo.reshape %d_pool1_part1 : (tensor<128x14x14x32xf32>) -> tensor<128x14x1x14x1x32xf32>
    %d_pool1_cell_3 = stablehlo.reshape %d_pool1_part2 : (tensor<128x14x14x32xf32>) -> tensor<128x14x1x14x1x32xf32>
    %d_pool1_cell_4 = stablehlo.reshape %d_pool1_part3 : (tensor<128x14x14x32xf32>) -> tensor<128x14x1x14x1x32xf32>
    %d_pool1_cell_row = stablehlo.concatenate %d_pool1_cell, %d_pool1_cell_2, dim = 4 : (tensor<128x14x1x14x1x32xf32>, tensor<128x14x1x14x1x32xf32>) -> tensor<128x14x1x14x2x32xf32>
    %d_pool1_cell_row_2 = stablehlo.concatenate %d_pool1_cell_3, %d_pool1_cell_4, dim = 4 : (tensor<128x14x1x14x1x32xf32>, tensor<128x14x1x14x1x32xf32>) -> tensor<128x14x1x14x2x32xf32>
    %d_pool1_cells = stablehlo.concatenate %d_pool1_cell_row, %d_pool1_cell_row_2, dim = 2 : (tensor<128x14x1x14x2x32xf32>, tensor<128x14x1x14x2x32xf32>) -> tensor<128x14x2x14x2x32xf32>
    %d_pool1_dx = stablehlo.reshape %d_pool1_cells : (tensor<128x14x2x14x2x32xf32>) -> tensor<128x28x28x32xf32>
    // conv2.relu: backward
    %d_conv2_relu_positive = stablehlo.compare GT, %conv2_relu_y, %c_0_128_28_28_32, FLOAT : (tensor<128x28x28x32xf32>, tensor<128x28x28x32xf32>) -> tensor<128x28x28x32xi1>
    %d_conv2_relu_dx = stablehlo.select %d_conv2_relu_positive, %d_pool1_dx, %c_0_128_28_28_32 : tensor<128x28x28x32xi1>, tensor<128x28x28x32xf32>
    // conv2.bn: backward
    %d_conv2_bn_pixels = stablehlo.reshape %d_conv2_relu_dx : (tensor<128x28x28x32xf32>) -> tensor<128x784x32xf32>
    %d_conv2_bn_mean_pixels = stablehlo.broadcast_in_dim %conv2_bn_mean, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %d_conv2_bn_centred = stablehlo.subtract %conv2_bn_pixels, %d_conv2_bn_mean_pixels : tensor<128x784x32xf32>
    %d_conv2_bn_istd_pixels = stablehlo.broadcast_in_dim %conv2_bn_istd, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %d_conv2_bn_xhat = stablehlo.multiply %d_conv2_bn_centred, %d_conv2_bn_istd_pixels : tensor<128x784x32xf32>
    %d_conv2_bn_dbeta_images = stablehlo.reduce(%d_conv2_bn_pixels init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x784x32xf32>, tensor<f32>) -> tensor<128x32xf32>
    %d_conv2_bn_dbeta = stablehlo.reduce(%d_conv2_bn_dbeta_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x32xf32>, tensor<f32>) -> tensor<32xf32>
    %d_conv2_bn_dy_xhat = stablehlo.multiply %d_conv2_bn_pixels, %d_conv2_bn_xhat : tensor<128x784x32xf32>
    %d_conv2_bn_dgamma_images = stablehlo.reduce(%d_conv2_bn_dy_xhat init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x784x32xf32>, tensor<f32>) -> tensor<128x32xf32>
    %d_conv2_bn_dgamma = stablehlo.reduce(%d_conv2_bn_dgamma_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x32xf32>, tensor<f32>) -> tensor<32xf32>
    %d_conv2_bn_istd_gamma = stablehlo.multiply %conv2_bn_istd, %conv2_gamma : tensor<32xf32>
    %c_9p964923469387754em06_32 = stablehlo.constant dense<9.964923469387754e-06> : tensor<32xf32>
    %d_conv2_bn_scale = stablehlo.multiply %d_conv2_bn_istd_gamma, %c_9p964923469387754em06_32 : tensor<32xf32>
    %c_100352_128_784_32 = stablehlo.constant dense<100352.0> : tensor<128x784x32xf32>
    %d_conv2_bn_n_dy = stablehlo.multiply %d_conv2_bn_pixels, %c_100352_128_784_32 : tensor<128x784x32xf32>
    %d_conv2_bn_dbeta_pixels = stablehlo.broadcast_in_dim %d_conv2_bn_dbeta, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %d_conv2_bn_less_mean = stablehlo.subtract %d_conv2_bn_n_dy, %d_conv2_bn_dbeta_pixels : tensor<128x784x32xf32>
    %d_conv2_bn_dgamma_pixels = stablehlo.broadcast_in_dim %d_conv2_bn_dgamma, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %d_conv2_bn_var_part = stablehlo.multiply %d_conv2_bn_xhat, %d_conv2_bn_dgamma_pixels : tensor<128x784x32xf32>
    %d_conv2_bn_less_var = stablehlo.subtract %d_conv2_bn_less_mean, %d_conv2_bn_var_part : tensor<128x784x32xf32>
    %d_conv2_bn_scale_pixels = stablehlo.broadcast_in_dim %d_conv2_bn_scale, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %d_conv2_bn_dx_pixels = stablehlo.multiply %d_conv2_bn_less_var, %d_conv2_bn_scale_pixels : tensor<128x784x32xf32>
    %d_conv2_bn_dx = stablehlo.reshape %d_conv2_bn_dx_pixels : (tensor<128x784x32xf32>) -> tensor<128x28x28x32xf32>
    // conv2: backward
    %d_conv2_x_padded = stablehlo.pad %conv1_relu_y, %c_0, low = [0, 1, 1, 0], high = [0, 1, 1, 0], interior = [0, 0, 0, 0] : (tensor<128x28x28x32xf32>, tensor<f32>) -> tensor<128x30x30x32xf32>
    %d_conv2_x_tap0 = stablehlo.slice %d_conv2_x_padded [0:128:1, 0:30:1, 0:28:1, 0:32:1] : (tensor<128x30x30x32xf32>) -> tensor<128x30x28x32xf32>
    %d_conv2_x_tap1 = stablehlo.slice %d_conv2_x_padded [0:128:1, 0:30:1, 1:29:1, 0:32:1] : (tensor<128x30x30x32xf32>) -> tensor<128x30x28x32xf32>
    %d_conv2_x_tap2 = stablehlo.slice %d_conv2_x_padded [0:128:1, 0:30:1, 2:30:1, 0:32:1] : (tensor<128x30x30x32xf32>) -> tensor<128x30x28x32xf32>
    %d_conv2_x_taps = stablehlo.concatenate %d_conv2_x_tap0, %d_conv2_x_tap1, %d_conv2_x_tap2, dim = 3 : (tensor<128x30x28x32xf32>, tensor<128x30x28x32xf32>, tensor<128x30x28x32xf32>) -> tensor<128x30x28x96xf32>
    %d_conv2_dy_rows = stablehlo.reshape %d_conv2_bn_dx : (tensor<128x28x28x32xf32>) -> tensor<128x784x32xf32>
    %d_conv2_x_row0 = stablehlo.slice %d_conv2_x_taps [0:128:1, 0:28:1, 0:28:1, 0:96:1] : (tensor<128x30x28x96xf32>) -> tensor<128x28x28x96xf32>
    %d_conv2_x_row0_flat = stablehlo.reshape %d_conv2_x_row0 : (tensor<128x28x28x96xf32>) -> tensor<128x784x96xf32>
    %d_conv2_dw_row0_images = stablehlo.dot_general %d_conv2_x_row0_flat, %d_conv2_dy_rows, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<128x784x96xf32>, tensor<128x784x32xf32>) -> tensor<128x96x32xf32>
    %d_conv2_dw_row0 = stablehlo.reduce(%d_conv2_dw_row0_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x96x32xf32>, tensor<f32>) -> tensor<96x32xf32>
    %d_conv2_reshape = stablehlo.reshape %d_conv2_dw_row0 : (tensor<96x32xf32>) -> tensor<1x96x32xf32>
    %d_conv2_x_row1 = stablehlo.slice %d_conv2_x_taps [0:128:1, 1:29:1, 0:28:1, 0:96:1] : (tensor<128x30x28x96xf32>) -> tensor<128x28x28x96xf32>
    %d_conv2_x_row1_flat = stablehlo.reshape %d_conv2_x_row1 : (tensor<128x28x28x96xf32>) -> tensor<128x784x96xf32>
    %d_conv2_dw_row1_images = stablehlo.dot_general %d_conv2_x_row1_flat, %d_conv2_dy_rows, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<128x784x96xf32>, tensor<128x784x32xf32>) -> tensor<128x96x32xf32>
    %d_conv2_dw_row1 = stablehlo.reduce(%d_conv2_dw_row1_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x96x32xf32>, tensor<f32>) -> tensor<96x32xf32>
    %d_conv2_reshape_2 = stablehlo.reshape %d_conv2_dw_row1 : (tensor<96x32xf32>) -> tensor<1x96x32xf32>
    %d_conv2_x_row2 = stablehlo.slice %d_conv2_x_taps [0:128:1, 2:30:1, 0:28:1, 0:96:1] : (tensor<128x30x28x96xf32>) -> tensor<128x28x28x96xf32>
    %d_conv2_x_row2_flat = stablehlo.reshape %d_conv2_x_row2 : (tensor<128x28x28x96xf32>) -> tensor<128x784x96xf32>
    %d_conv2_dw_row2_images = stablehlo.dot_general %d_conv2_x_row2_flat, %d_conv2_dy_rows, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<128x784x96xf32>, tensor<128x784x32xf32>) -> tensor<128x96x32xf32>
    %d_conv2_dw_row2 = stablehlo.reduce(%d_conv2_dw_row2_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x96x32xf32>, tensor<f32>) -> tensor<96x32xf32>
    %d_conv2_reshape_3 = stablehlo.reshape %d_conv2_dw_row2 : (tensor<96x32xf32>) -> tensor<1x96x32xf32>
    %d_conv2_dw_rows = stablehlo.concatenate %d_conv2_reshape, %d_conv2_reshape_2, %d_conv2_reshape_3, dim = 0 : (tensor<1x96x32xf32>, tensor<1x96x32xf32>, tensor<1x96x32xf32>) -> tensor<3x96x32xf32>
    %d_conv2_dw_hwio = stablehlo.reshape %d_conv2_dw_rows : (tensor<3x96x32xf32>) -> tensor<3x3x32x32xf32>
    %d_conv2_dw = stablehlo.transpose %d_conv2_dw_hwio, dims = [3, 2, 0, 1] : (tensor<3x3x32x32xf32>) -> tensor<32x32x3x3xf32>
    %d_conv2_w_tap = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 2:3:1, 2:3:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %d_conv2_reshape_4 = stablehlo.reshape %d_conv2_w_tap : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %d_conv2_reshape_5 = stablehlo.reshape %d_conv2_reshape_4 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %d_conv2_w_tap_2 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 2:3:1, 1:2:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %d_conv2_reshape_6 = stablehlo.reshape %d_conv2_w_tap_2 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %d_conv2_reshape_7 = stablehlo.reshape %d_conv2_reshape_6 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %d_conv2_w_tap_3 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 2:3:1, 0:1:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %d_conv2_reshape_8 = stablehlo.reshape %d_conv2_w_tap_3 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %d_conv2_reshape_9 = stablehlo.reshape %d_conv2_reshape_8 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %d_conv2_w_tap_4 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 1:2:1, 2:3:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %d_conv2_reshape_10 = stablehlo.reshape %d_conv2_w_tap_4 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %d_conv2_reshape_11 = stablehlo.reshape %d_conv2_reshape_10 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %d_conv2_w_tap_5 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 1:2:1, 1:2:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %d_conv2_reshape_12 = stablehlo.reshape %d_conv2_w_tap_5 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %d_conv2_reshape_13 = stablehlo.reshape %d_conv2_reshape_12 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %d_conv2_w_tap_6 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 1:2:1, 0:1:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %d_conv2_reshape_14 = stablehlo.reshape %d_conv2_w_tap_6 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %d_conv2_reshape_15 = stablehlo.reshape %d_conv2_reshape_14 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %d_conv2_w_tap_7 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 0:1:1, 2:3:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %d_conv2_reshape_16 = stablehlo.reshape %d_conv2_w_tap_7 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %d_conv2_reshape_17 = stablehlo.reshape %d_conv2_reshape_16 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %d_conv2_w_tap_8 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 0:1:1, 1:2:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %d_conv2_reshape_18 = stablehlo.reshape %d_conv2_w_tap_8 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %d_conv2_reshape_19 = stablehlo.reshape %d_conv2_reshape_18 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %d_conv2_w_tap_9 = stablehlo.slice %conv2_w [0:32:1, 0:32:1, 0:1:1, 0:1:1] : (tensor<32x32x3x3xf32>) -> tensor<32x32x1x1xf32>
    %d_conv2_reshape_20 = stablehlo.reshape %d_conv2_w_tap_9 : (tensor<32x32x1x1xf32>) -> tensor<32x32xf32>
    %d_conv2_reshape_21 = stablehlo.reshape %d_conv2_reshape_20 : (tensor<32x32xf32>) -> tensor<1x1x32x32xf32>
    %d_conv2_w_taps = stablehlo.concatenate %d_conv2_reshape_5, %d_conv2_reshape_7, %d_conv2_reshape_9, %d_conv2_reshape_11, %d_conv2_reshape_13, %d_conv2_reshape_15, %d_conv2_reshape_17, %d_conv2_reshape_19, %d_conv2_reshape_21, dim = 0 : (tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>, tensor<1x1x32x32xf32>) -> tensor<9x1x32x32xf32>
    %d_conv2_w_hwoi = stablehlo.reshape %d_conv2_w_taps : (tensor<9x1x32x32xf32>) -> tensor<3x3x32x32xf32>
    %d_conv2_dx = stablehlo.convolution(%d_conv2_bn_dx, %d_conv2_w_hwoi) dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [1, 1], pad = [[1, 1], [1, 1]]} {batch_group_count = 1 : i64, feature_group_count = 1 : i64} : (tensor<128x28x28x32xf32>, tensor<3x3x32x32xf32>) -> tensor<128x28x28x32xf32>
    // conv1.relu: backward
    %d_conv1_relu_positive = stablehlo.compare GT, %conv1_relu_y, %c_0_128_28_28_32, FLOAT : (tensor<128x28x28x32xf32>, tensor<128x28x28x32xf32>) -> tensor<128x28x28x32xi1>
    %d_conv1_relu_dx = stablehlo.select %d_conv1_relu_positive, %d_conv2_dx, %c_0_128_28_28_32 : tensor<128x28x28x32xi1>, tensor<128x28x28x32xf32>
    // conv1.bn: backward
    %d_conv1_bn_pixels = stablehlo.reshape %d_conv1_relu_dx : (tensor<128x28x28x32xf32>) -> tensor<128x784x32xf32>
    %d_conv1_bn_mean_pixels = stablehlo.broadcast_in_dim %conv1_bn_mean, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %d_conv1_bn_centred = stablehlo.subtract %conv1_bn_pixels, %d_conv1_bn_mean_pixels : tensor<128x784x32xf32>
    %d_conv1_bn_istd_pixels = stablehlo.broadcast_in_dim %conv1_bn_istd, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %d_conv1_bn_xhat = stablehlo.multiply %d_conv1_bn_centred, %d_conv1_bn_istd_pixels : tensor<128x784x32xf32>
    %d_conv1_bn_dbeta_images = stablehlo.reduce(%d_conv1_bn_pixels init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x784x32xf32>, tensor<f32>) -> tensor<128x32xf32>
    %d_conv1_bn_dbeta = stablehlo.reduce(%d_conv1_bn_dbeta_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x32xf32>, tensor<f32>) -> tensor<32xf32>
    %d_conv1_bn_dy_xhat = stablehlo.multiply %d_conv1_bn_pixels, %d_conv1_bn_xhat : tensor<128x784x32xf32>
    %d_conv1_bn_dgamma_images = stablehlo.reduce(%d_conv1_bn_dy_xhat init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<128x784x32xf32>, tensor<f32>) -> tensor<128x32xf32>
    %d_conv1_bn_dgamma = stablehlo.reduce(%d_conv1_bn_dgamma_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x32xf32>, tensor<f32>) -> tensor<32xf32>
    %d_conv1_bn_istd_gamma = stablehlo.multiply %conv1_bn_istd, %conv1_gamma : tensor<32xf32>
    %d_conv1_bn_scale = stablehlo.multiply %d_conv1_bn_istd_gamma, %c_9p964923469387754em06_32 : tensor<32xf32>
    %d_conv1_bn_n_dy = stablehlo.multiply %d_conv1_bn_pixels, %c_100352_128_784_32 : tensor<128x784x32xf32>
    %d_conv1_bn_dbeta_pixels = stablehlo.broadcast_in_dim %d_conv1_bn_dbeta, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %d_conv1_bn_less_mean = stablehlo.subtract %d_conv1_bn_n_dy, %d_conv1_bn_dbeta_pixels : tensor<128x784x32xf32>
    %d_conv1_bn_dgamma_pixels = stablehlo.broadcast_in_dim %d_conv1_bn_dgamma, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %d_conv1_bn_var_part = stablehlo.multiply %d_conv1_bn_xhat, %d_conv1_bn_dgamma_pixels : tensor<128x784x32xf32>
    %d_conv1_bn_less_var = stablehlo.subtract %d_conv1_bn_less_mean, %d_conv1_bn_var_part : tensor<128x784x32xf32>
    %d_conv1_bn_scale_pixels = stablehlo.broadcast_in_dim %d_conv1_bn_scale, dims = [2] : (tensor<32xf32>) -> tensor<128x784x32xf32>
    %d_conv1_bn_dx_pixels = stablehlo.multiply %d_conv1_bn_less_var, %d_conv1_bn_scale_pixels : tensor<128x784x32xf32>
    %d_conv1_bn_dx = stablehlo.reshape %d_conv1_bn_dx_pixels : (tensor<128x784x32xf32>) -> tensor<128x28x28x32xf32>
    // conv1: backward
    %d_conv1_x_padded = stablehlo.pad %x_nhwc, %c_0, low = [0, 1, 1, 0], high = [0, 1, 1, 0], interior = [0, 0, 0, 0] : (tensor<128x28x28x1xf32>, tensor<f32>) -> tensor<128x30x30x1xf32>
    %d_conv1_x_tap0 = stablehlo.slice %d_conv1_x_padded [0:128:1, 0:30:1, 0:28:1, 0:1:1] : (tensor<128x30x30x1xf32>) -> tensor<128x30x28x1xf32>
    %d_conv1_x_tap1 = stablehlo.slice %d_conv1_x_padded [0:128:1, 0:30:1, 1:29:1, 0:1:1] : (tensor<128x30x30x1xf32>) -> tensor<128x30x28x1xf32>
    %d_conv1_x_tap2 = stablehlo.slice %d_conv1_x_padded [0:128:1, 0:30:1, 2:30:1, 0:1:1] : (tensor<128x30x30x1xf32>) -> tensor<128x30x28x1xf32>
    %d_conv1_x_taps = stablehlo.concatenate %d_conv1_x_tap0, %d_conv1_x_tap1, %d_conv1_x_tap2, dim = 3 : (tensor<128x30x28x1xf32>, tensor<128x30x28x1xf32>, tensor<128x30x28x1xf32>) -> tensor<128x30x28x3xf32>
    %d_conv1_dy_rows = stablehlo.reshape %d_conv1_bn_dx : (tensor<128x28x28x32xf32>) -> tensor<128x784x32xf32>
    %d_conv1_x_row0 = stablehlo.slice %d_conv1_x_taps [0:128:1, 0:28:1, 0:28:1, 0:3:1] : (tensor<128x30x28x3xf32>) -> tensor<128x28x28x3xf32>
    %d_conv1_x_row0_flat = stablehlo.reshape %d_conv1_x_row0 : (tensor<128x28x28x3xf32>) -> tensor<128x784x3xf32>
    %d_conv1_dw_row0_images = stablehlo.dot_general %d_conv1_x_row0_flat, %d_conv1_dy_rows, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<128x784x3xf32>, tensor<128x784x32xf32>) -> tensor<128x3x32xf32>
    %d_conv1_dw_row0 = stablehlo.reduce(%d_conv1_dw_row0_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x3x32xf32>, tensor<f32>) -> tensor<3x32xf32>
    %d_conv1_reshape = stablehlo.reshape %d_conv1_dw_row0 : (tensor<3x32xf32>) -> tensor<1x3x32xf32>
    %d_conv1_x_row1 = stablehlo.slice %d_conv1_x_taps [0:128:1, 1:29:1, 0:28:1, 0:3:1] : (tensor<128x30x28x3xf32>) -> tensor<128x28x28x3xf32>
    %d_conv1_x_row1_flat = stablehlo.reshape %d_conv1_x_row1 : (tensor<128x28x28x3xf32>) -> tensor<128x784x3xf32>
    %d_conv1_dw_row1_images = stablehlo.dot_general %d_conv1_x_row1_flat, %d_conv1_dy_rows, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<128x784x3xf32>, tensor<128x784x32xf32>) -> tensor<128x3x32xf32>
    %d_conv1_dw_row1 = stablehlo.reduce(%d_conv1_dw_row1_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x3x32xf32>, tensor<f32>) -> tensor<3x32xf32>
    %d_conv1_reshape_2 = stablehlo.reshape %d_conv1_dw_row1 : (tensor<3x32xf32>) -> tensor<1x3x32xf32>
    %d_conv1_x_row2 = stablehlo.slice %d_conv1_x_taps [0:128:1, 2:30:1, 0:28:1, 0:3:1] : (tensor<128x30x28x3xf32>) -> tensor<128x28x28x3xf32>
    %d_conv1_x_row2_flat = stablehlo.reshape %d_conv1_x_row2 : (tensor<128x28x28x3xf32>) -> tensor<128x784x3xf32>
    %d_conv1_dw_row2_images = stablehlo.dot_general %d_conv1_x_row2_flat, %d_conv1_dy_rows, batching_dims = [0] x [0], contracting_dims = [1] x [1] : (tensor<128x784x3xf32>, tensor<128x784x32xf32>) -> tensor<128x3x32xf32>
    %d_conv1_dw_row2 = stablehlo.reduce(%d_conv1_dw_row2_images init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<128x3x32xf32>, tensor<f32>) -> tensor<3x32xf32>
    %d_conv1_reshape_3 = stablehlo.reshape %d_conv1_dw_row2 : (tensor<3x32xf32>) -> tensor<1x3x32xf32>
    %d_conv1_dw_rows = stablehlo.concatenate %d_conv1_reshape, %d_conv1_reshape_2, %d_conv1_reshape_3, dim = 0 : (tensor<1x3x32xf32>, tensor<1x3x32xf32>, tensor<1x3x32xf32>) -> tensor<3x3x32xf32>
    %d_conv1_dw_hwio = stablehlo.reshape %d_conv1_dw_rows : (tensor<3x3x32xf32>) -> tensor<3x3x1x32xf32>
    %d_conv1_dw = stablehlo.transpose %d_conv1_dw_hwio, dims = [3, 2, 0, 1] : (tensor<3x3x1x32xf32>) -> tensor<32x1x3x3xf32>
    // Gradients
    %conv1_w_grad, %conv1_gamma_grad, %conv1_beta_grad, %conv2_w_grad, %conv2_gamma_grad, %conv2_beta_grad, %conv3_w_grad, %conv3_gamma_grad, %conv3_beta_grad, %conv4_w_grad, %conv4_gamma_grad, %conv4_beta_grad, %dense1_w_grad, %dense1_b_grad, %dense2_w_grad, %dense2_b_grad = stablehlo.optimization_barrier %d_conv1_dw, %d_conv1_bn_dgamma, %d_conv1_bn_dbeta, %d_conv2_dw, %d_conv2_bn_dgamma, %d_conv2_bn_dbeta, %d_conv3_dw, %d_conv3_bn_dgamma, %d_conv3_bn_dbeta, %d_conv4_dw, %d_conv4_bn_dgamma, %d_conv4_bn_dbeta, %d_dense1_dw, %d_dense1_db, %d_dense2_dw, %d_dense2_db : tensor<32x1x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32x32x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<64x32x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64x64x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<3136x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>
    // conv1.w: update
    %conv1_w_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<32x1x3x3xf32>
    %c_0p9_32_1_3_3 = stablehlo.constant dense<0.9> : tensor<32x1x3x3xf32>
    %conv1_w_m_new_kept = stablehlo.multiply %conv1_w_m, %c_0p9_32_1_3_3 : tensor<32x1x3x3xf32>
    %c_0p09999999999999998_32_1_3_3 = stablehlo.constant dense<0.09999999999999998> : tensor<32x1x3x3xf32>
    %conv1_w_m_new_added = stablehlo.multiply %conv1_w_grad, %c_0p09999999999999998_32_1_3_3 : tensor<32x1x3x3xf32>
    %conv1_w_m_new = stablehlo.add %conv1_w_m_new_kept, %conv1_w_m_new_added : tensor<32x1x3x3xf32>
    %conv1_w_g2 = stablehlo.multiply %conv1_w_grad, %conv1_w_grad : tensor<32x1x3x3xf32>
    %c_0p999_32_1_3_3 = stablehlo.constant dense<0.999> : tensor<32x1x3x3xf32>
    %conv1_w_v_new_kept = stablehlo.multiply %conv1_w_v, %c_0p999_32_1_3_3 : tensor<32x1x3x3xf32>
    %c_0p0010000000000000009_32_1_3_3 = stablehlo.constant dense<0.0010000000000000009> : tensor<32x1x3x3xf32>
    %conv1_w_v_new_added = stablehlo.multiply %conv1_w_g2, %c_0p0010000000000000009_32_1_3_3 : tensor<32x1x3x3xf32>
    %conv1_w_v_new = stablehlo.add %conv1_w_v_new_kept, %conv1_w_v_new_added : tensor<32x1x3x3xf32>
    %c_0p9 = stablehlo.constant dense<0.9> : tensor<f32>
    %m_correction_power = stablehlo.power %c_0p9, %t : tensor<f32>
    %m_correction = stablehlo.subtract %c_1, %m_correction_power : tensor<f32>
    %conv1_w_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<32x1x3x3xf32>
    %conv1_w_m_hat = stablehlo.divide %conv1_w_m_new, %conv1_w_broadcast : tensor<32x1x3x3xf32>
    %c_0p999 = stablehlo.constant dense<0.999> : tensor<f32>
    %v_correction_power = stablehlo.power %c_0p999, %t : tensor<f32>
    %v_correction = stablehlo.subtract %c_1, %v_correction_power : tensor<f32>
    %conv1_w_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<32x1x3x3xf32>
    %conv1_w_v_hat = stablehlo.divide %conv1_w_v_new, %conv1_w_broadcast_2 : tensor<32x1x3x3xf32>
    %conv1_w_v_root = stablehlo.sqrt %conv1_w_v_hat : tensor<32x1x3x3xf32>
    %c_1em08_32_1_3_3 = stablehlo.constant dense<1.0e-08> : tensor<32x1x3x3xf32>
    %conv1_w_denominator = stablehlo.add %conv1_w_v_root, %c_1em08_32_1_3_3 : tensor<32x1x3x3xf32>
    %conv1_w_direction = stablehlo.divide %conv1_w_m_hat, %conv1_w_denominator : tensor<32x1x3x3xf32>
    %conv1_w_step = stablehlo.multiply %conv1_w_rate, %conv1_w_direction : tensor<32x1x3x3xf32>
    %conv1_w_stepped = stablehlo.subtract %conv1_w, %conv1_w_step : tensor<32x1x3x3xf32>
    %c_9p999999747378752em05_32_1_3_3 = stablehlo.constant dense<9.999999747378752e-05> : tensor<32x1x3x3xf32>
    %conv1_w_decay_rate = stablehlo.multiply %conv1_w_rate, %c_9p999999747378752em05_32_1_3_3 : tensor<32x1x3x3xf32>
    %conv1_w_decay = stablehlo.multiply %conv1_w_decay_rate, %conv1_w : tensor<32x1x3x3xf32>
    %conv1_w_decayed = stablehlo.subtract %conv1_w_stepped, %conv1_w_decay : tensor<32x1x3x3xf32>
    // conv1.gamma: update
    %conv1_gamma_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<32xf32>
    %conv1_gamma_m_new_kept = stablehlo.multiply %conv1_gamma_m, %c_0p9_32 : tensor<32xf32>
    %conv1_gamma_m_new_added = stablehlo.multiply %conv1_gamma_grad, %c_0p09999999999999998_32 : tensor<32xf32>
    %conv1_gamma_m_new = stablehlo.add %conv1_gamma_m_new_kept, %conv1_gamma_m_new_added : tensor<32xf32>
    %conv1_gamma_g2 = stablehlo.multiply %conv1_gamma_grad, %conv1_gamma_grad : tensor<32xf32>
    %c_0p999_32 = stablehlo.constant dense<0.999> : tensor<32xf32>
    %conv1_gamma_v_new_kept = stablehlo.multiply %conv1_gamma_v, %c_0p999_32 : tensor<32xf32>
    %c_0p0010000000000000009_32 = stablehlo.constant dense<0.0010000000000000009> : tensor<32xf32>
    %conv1_gamma_v_new_added = stablehlo.multiply %conv1_gamma_g2, %c_0p0010000000000000009_32 : tensor<32xf32>
    %conv1_gamma_v_new = stablehlo.add %conv1_gamma_v_new_kept, %conv1_gamma_v_new_added : tensor<32xf32>
    %conv1_gamma_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<32xf32>
    %conv1_gamma_m_hat = stablehlo.divide %conv1_gamma_m_new, %conv1_gamma_broadcast : tensor<32xf32>
    %conv1_gamma_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<32xf32>
    %conv1_gamma_v_hat = stablehlo.divide %conv1_gamma_v_new, %conv1_gamma_broadcast_2 : tensor<32xf32>
    %conv1_gamma_v_root = stablehlo.sqrt %conv1_gamma_v_hat : tensor<32xf32>
    %c_1em08_32 = stablehlo.constant dense<1.0e-08> : tensor<32xf32>
    %conv1_gamma_denominator = stablehlo.add %conv1_gamma_v_root, %c_1em08_32 : tensor<32xf32>
    %conv1_gamma_direction = stablehlo.divide %conv1_gamma_m_hat, %conv1_gamma_denominator : tensor<32xf32>
    %conv1_gamma_step = stablehlo.multiply %conv1_gamma_rate, %conv1_gamma_direction : tensor<32xf32>
    %conv1_gamma_stepped = stablehlo.subtract %conv1_gamma, %conv1_gamma_step : tensor<32xf32>
    // conv1.beta: update
    %conv1_beta_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<32xf32>
    %conv1_beta_m_new_kept = stablehlo.multiply %conv1_beta_m, %c_0p9_32 : tensor<32xf32>
    %conv1_beta_m_new_added = stablehlo.multiply %conv1_beta_grad, %c_0p09999999999999998_32 : tensor<32xf32>
    %conv1_beta_m_new = stablehlo.add %conv1_beta_m_new_kept, %conv1_beta_m_new_added : tensor<32xf32>
    %conv1_beta_g2 = stablehlo.multiply %conv1_beta_grad, %conv1_beta_grad : tensor<32xf32>
    %conv1_beta_v_new_kept = stablehlo.multiply %conv1_beta_v, %c_0p999_32 : tensor<32xf32>
    %conv1_beta_v_new_added = stablehlo.multiply %conv1_beta_g2, %c_0p0010000000000000009_32 : tensor<32xf32>
    %conv1_beta_v_new = stablehlo.add %conv1_beta_v_new_kept, %conv1_beta_v_new_added : tensor<32xf32>
    %conv1_beta_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<32xf32>
    %conv1_beta_m_hat = stablehlo.divide %conv1_beta_m_new, %conv1_beta_broadcast : tensor<32xf32>
    %conv1_beta_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<32xf32>
    %conv1_beta_v_hat = stablehlo.divide %conv1_beta_v_new, %conv1_beta_broadcast_2 : tensor<32xf32>
    %conv1_beta_v_root = stablehlo.sqrt %conv1_beta_v_hat : tensor<32xf32>
    %conv1_beta_denominator = stablehlo.add %conv1_beta_v_root, %c_1em08_32 : tensor<32xf32>
    %conv1_beta_direction = stablehlo.divide %conv1_beta_m_hat, %conv1_beta_denominator : tensor<32xf32>
    %conv1_beta_step = stablehlo.multiply %conv1_beta_rate, %conv1_beta_direction : tensor<32xf32>
    %conv1_beta_stepped = stablehlo.subtract %conv1_beta, %conv1_beta_step : tensor<32xf32>
    // conv2.w: update
    %conv2_w_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<32x32x3x3xf32>
    %c_0p9_32_32_3_3 = stablehlo.constant dense<0.9> : tensor<32x32x3x3xf32>
    %conv2_w_m_new_kept = stablehlo.multiply %conv2_w_m, %c_0p9_32_32_3_3 : tensor<32x32x3x3xf32>
    %c_0p09999999999999998_32_32_3_3 = stablehlo.constant dense<0.09999999999999998> : tensor<32x32x3x3xf32>
    %conv2_w_m_new_added = stablehlo.multiply %conv2_w_grad, %c_0p09999999999999998_32_32_3_3 : tensor<32x32x3x3xf32>
    %conv2_w_m_new = stablehlo.add %conv2_w_m_new_kept, %conv2_w_m_new_added : tensor<32x32x3x3xf32>
    %conv2_w_g2 = stablehlo.multiply %conv2_w_grad, %conv2_w_grad : tensor<32x32x3x3xf32>
    %c_0p999_32_32_3_3 = stablehlo.constant dense<0.999> : tensor<32x32x3x3xf32>
    %conv2_w_v_new_kept = stablehlo.multiply %conv2_w_v, %c_0p999_32_32_3_3 : tensor<32x32x3x3xf32>
    %c_0p0010000000000000009_32_32_3_3 = stablehlo.constant dense<0.0010000000000000009> : tensor<32x32x3x3xf32>
    %conv2_w_v_new_added = stablehlo.multiply %conv2_w_g2, %c_0p0010000000000000009_32_32_3_3 : tensor<32x32x3x3xf32>
    %conv2_w_v_new = stablehlo.add %conv2_w_v_new_kept, %conv2_w_v_new_added : tensor<32x32x3x3xf32>
    %conv2_w_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<32x32x3x3xf32>
    %conv2_w_m_hat = stablehlo.divide %conv2_w_m_new, %conv2_w_broadcast : tensor<32x32x3x3xf32>
    %conv2_w_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<32x32x3x3xf32>
    %conv2_w_v_hat = stablehlo.divide %conv2_w_v_new, %conv2_w_broadcast_2 : tensor<32x32x3x3xf32>
    %conv2_w_v_root = stablehlo.sqrt %conv2_w_v_hat : tensor<32x32x3x3xf32>
    %c_1em08_32_32_3_3 = stablehlo.constant dense<1.0e-08> : tensor<32x32x3x3xf32>
    %conv2_w_denominator = stablehlo.add %conv2_w_v_root, %c_1em08_32_32_3_3 : tensor<32x32x3x3xf32>
    %conv2_w_direction = stablehlo.divide %conv2_w_m_hat, %conv2_w_denominator : tensor<32x32x3x3xf32>
    %conv2_w_step = stablehlo.multiply %conv2_w_rate, %conv2_w_direction : tensor<32x32x3x3xf32>
    %conv2_w_stepped = stablehlo.subtract %conv2_w, %conv2_w_step : tensor<32x32x3x3xf32>
    %c_9p999999747378752em05_32_32_3_3 = stablehlo.constant dense<9.999999747378752e-05> : tensor<32x32x3x3xf32>
    %conv2_w_decay_rate = stablehlo.multiply %conv2_w_rate, %c_9p999999747378752em05_32_32_3_3 : tensor<32x32x3x3xf32>
    %conv2_w_decay = stablehlo.multiply %conv2_w_decay_rate, %conv2_w : tensor<32x32x3x3xf32>
    %conv2_w_decayed = stablehlo.subtract %conv2_w_stepped, %conv2_w_decay : tensor<32x32x3x3xf32>
    // conv2.gamma: update
    %conv2_gamma_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<32xf32>
    %conv2_gamma_m_new_kept = stablehlo.multiply %conv2_gamma_m, %c_0p9_32 : tensor<32xf32>
    %conv2_gamma_m_new_added = stablehlo.multiply %conv2_gamma_grad, %c_0p09999999999999998_32 : tensor<32xf32>
    %conv2_gamma_m_new = stablehlo.add %conv2_gamma_m_new_kept, %conv2_gamma_m_new_added : tensor<32xf32>
    %conv2_gamma_g2 = stablehlo.multiply %conv2_gamma_grad, %conv2_gamma_grad : tensor<32xf32>
    %conv2_gamma_v_new_kept = stablehlo.multiply %conv2_gamma_v, %c_0p999_32 : tensor<32xf32>
    %conv2_gamma_v_new_added = stablehlo.multiply %conv2_gamma_g2, %c_0p0010000000000000009_32 : tensor<32xf32>
    %conv2_gamma_v_new = stablehlo.add %conv2_gamma_v_new_kept, %conv2_gamma_v_new_added : tensor<32xf32>
    %conv2_gamma_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<32xf32>
    %conv2_gamma_m_hat = stablehlo.divide %conv2_gamma_m_new, %conv2_gamma_broadcast : tensor<32xf32>
    %conv2_gamma_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<32xf32>
    %conv2_gamma_v_hat = stablehlo.divide %conv2_gamma_v_new, %conv2_gamma_broadcast_2 : tensor<32xf32>
    %conv2_gamma_v_root = stablehlo.sqrt %conv2_gamma_v_hat : tensor<32xf32>
    %conv2_gamma_denominator = stablehlo.add %conv2_gamma_v_root, %c_1em08_32 : tensor<32xf32>
    %conv2_gamma_direction = stablehlo.divide %conv2_gamma_m_hat, %conv2_gamma_denominator : tensor<32xf32>
    %conv2_gamma_step = stablehlo.multiply %conv2_gamma_rate, %conv2_gamma_direction : tensor<32xf32>
    %conv2_gamma_stepped = stablehlo.subtract %conv2_gamma, %conv2_gamma_step : tensor<32xf32>
    // conv2.beta: update
    %conv2_beta_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<32xf32>
    %conv2_beta_m_new_kept = stablehlo.multiply %conv2_beta_m, %c_0p9_32 : tensor<32xf32>
    %conv2_beta_m_new_added = stablehlo.multiply %conv2_beta_grad, %c_0p09999999999999998_32 : tensor<32xf32>
    %conv2_beta_m_new = stablehlo.add %conv2_beta_m_new_kept, %conv2_beta_m_new_added : tensor<32xf32>
    %conv2_beta_g2 = stablehlo.multiply %conv2_beta_grad, %conv2_beta_grad : tensor<32xf32>
    %conv2_beta_v_new_kept = stablehlo.multiply %conv2_beta_v, %c_0p999_32 : tensor<32xf32>
    %conv2_beta_v_new_added = stablehlo.multiply %conv2_beta_g2, %c_0p0010000000000000009_32 : tensor<32xf32>
    %conv2_beta_v_new = stablehlo.add %conv2_beta_v_new_kept, %conv2_beta_v_new_added : tensor<32xf32>
    %conv2_beta_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<32xf32>
    %conv2_beta_m_hat = stablehlo.divide %conv2_beta_m_new, %conv2_beta_broadcast : tensor<32xf32>
    %conv2_beta_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<32xf32>
    %conv2_beta_v_hat = stablehlo.divide %conv2_beta_v_new, %conv2_beta_broadcast_2 : tensor<32xf32>
    %conv2_beta_v_root = stablehlo.sqrt %conv2_beta_v_hat : tensor<32xf32>
    %conv2_beta_denominator = stablehlo.add %conv2_beta_v_root, %c_1em08_32 : tensor<32xf32>
    %conv2_beta_direction = stablehlo.divide %conv2_beta_m_hat, %conv2_beta_denominator : tensor<32xf32>
    %conv2_beta_step = stablehlo.multiply %conv2_beta_rate, %conv2_beta_direction : tensor<32xf32>
    %conv2_beta_stepped = stablehlo.subtract %conv2_beta, %conv2_beta_step : tensor<32xf32>
    // conv3.w: update
    %conv3_w_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<64x32x3x3xf32>
    %c_0p9_64_32_3_3 = stablehlo.constant dense<0.9> : tensor<64x32x3x3xf32>
    %conv3_w_m_new_kept = stablehlo.multiply %conv3_w_m, %c_0p9_64_32_3_3 : tensor<64x32x3x3xf32>
    %c_0p09999999999999998_64_32_3_3 = stablehlo.constant dense<0.09999999999999998> : tensor<64x32x3x3xf32>
    %conv3_w_m_new_added = stablehlo.multiply %conv3_w_grad, %c_0p09999999999999998_64_32_3_3 : tensor<64x32x3x3xf32>
    %conv3_w_m_new = stablehlo.add %conv3_w_m_new_kept, %conv3_w_m_new_added : tensor<64x32x3x3xf32>
    %conv3_w_g2 = stablehlo.multiply %conv3_w_grad, %conv3_w_grad : tensor<64x32x3x3xf32>
    %c_0p999_64_32_3_3 = stablehlo.constant dense<0.999> : tensor<64x32x3x3xf32>
    %conv3_w_v_new_kept = stablehlo.multiply %conv3_w_v, %c_0p999_64_32_3_3 : tensor<64x32x3x3xf32>
    %c_0p0010000000000000009_64_32_3_3 = stablehlo.constant dense<0.0010000000000000009> : tensor<64x32x3x3xf32>
    %conv3_w_v_new_added = stablehlo.multiply %conv3_w_g2, %c_0p0010000000000000009_64_32_3_3 : tensor<64x32x3x3xf32>
    %conv3_w_v_new = stablehlo.add %conv3_w_v_new_kept, %conv3_w_v_new_added : tensor<64x32x3x3xf32>
    %conv3_w_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<64x32x3x3xf32>
    %conv3_w_m_hat = stablehlo.divide %conv3_w_m_new, %conv3_w_broadcast : tensor<64x32x3x3xf32>
    %conv3_w_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<64x32x3x3xf32>
    %conv3_w_v_hat = stablehlo.divide %conv3_w_v_new, %conv3_w_broadcast_2 : tensor<64x32x3x3xf32>
    %conv3_w_v_root = stablehlo.sqrt %conv3_w_v_hat : tensor<64x32x3x3xf32>
    %c_1em08_64_32_3_3 = stablehlo.constant dense<1.0e-08> : tensor<64x32x3x3xf32>
    %conv3_w_denominator = stablehlo.add %conv3_w_v_root, %c_1em08_64_32_3_3 : tensor<64x32x3x3xf32>
    %conv3_w_direction = stablehlo.divide %conv3_w_m_hat, %conv3_w_denominator : tensor<64x32x3x3xf32>
    %conv3_w_step = stablehlo.multiply %conv3_w_rate, %conv3_w_direction : tensor<64x32x3x3xf32>
    %conv3_w_stepped = stablehlo.subtract %conv3_w, %conv3_w_step : tensor<64x32x3x3xf32>
    %c_9p999999747378752em05_64_32_3_3 = stablehlo.constant dense<9.999999747378752e-05> : tensor<64x32x3x3xf32>
    %conv3_w_decay_rate = stablehlo.multiply %conv3_w_rate, %c_9p999999747378752em05_64_32_3_3 : tensor<64x32x3x3xf32>
    %conv3_w_decay = stablehlo.multiply %conv3_w_decay_rate, %conv3_w : tensor<64x32x3x3xf32>
    %conv3_w_decayed = stablehlo.subtract %conv3_w_stepped, %conv3_w_decay : tensor<64x32x3x3xf32>
    // conv3.gamma: update
    %conv3_gamma_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<64xf32>
    %conv3_gamma_m_new_kept = stablehlo.multiply %conv3_gamma_m, %c_0p9_64 : tensor<64xf32>
    %conv3_gamma_m_new_added = stablehlo.multiply %conv3_gamma_grad, %c_0p09999999999999998_64 : tensor<64xf32>
    %conv3_gamma_m_new = stablehlo.add %conv3_gamma_m_new_kept, %conv3_gamma_m_new_added : tensor<64xf32>
    %conv3_gamma_g2 = stablehlo.multiply %conv3_gamma_grad, %conv3_gamma_grad : tensor<64xf32>
    %c_0p999_64 = stablehlo.constant dense<0.999> : tensor<64xf32>
    %conv3_gamma_v_new_kept = stablehlo.multiply %conv3_gamma_v, %c_0p999_64 : tensor<64xf32>
    %c_0p0010000000000000009_64 = stablehlo.constant dense<0.0010000000000000009> : tensor<64xf32>
    %conv3_gamma_v_new_added = stablehlo.multiply %conv3_gamma_g2, %c_0p0010000000000000009_64 : tensor<64xf32>
    %conv3_gamma_v_new = stablehlo.add %conv3_gamma_v_new_kept, %conv3_gamma_v_new_added : tensor<64xf32>
    %conv3_gamma_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<64xf32>
    %conv3_gamma_m_hat = stablehlo.divide %conv3_gamma_m_new, %conv3_gamma_broadcast : tensor<64xf32>
    %conv3_gamma_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<64xf32>
    %conv3_gamma_v_hat = stablehlo.divide %conv3_gamma_v_new, %conv3_gamma_broadcast_2 : tensor<64xf32>
    %conv3_gamma_v_root = stablehlo.sqrt %conv3_gamma_v_hat : tensor<64xf32>
    %c_1em08_64 = stablehlo.constant dense<1.0e-08> : tensor<64xf32>
    %conv3_gamma_denominator = stablehlo.add %conv3_gamma_v_root, %c_1em08_64 : tensor<64xf32>
    %conv3_gamma_direction = stablehlo.divide %conv3_gamma_m_hat, %conv3_gamma_denominator : tensor<64xf32>
    %conv3_gamma_step = stablehlo.multiply %conv3_gamma_rate, %conv3_gamma_direction : tensor<64xf32>
    %conv3_gamma_stepped = stablehlo.subtract %conv3_gamma, %conv3_gamma_step : tensor<64xf32>
    // conv3.beta: update
    %conv3_beta_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<64xf32>
    %conv3_beta_m_new_kept = stablehlo.multiply %conv3_beta_m, %c_0p9_64 : tensor<64xf32>
    %conv3_beta_m_new_added = stablehlo.multiply %conv3_beta_grad, %c_0p09999999999999998_64 : tensor<64xf32>
    %conv3_beta_m_new = stablehlo.add %conv3_beta_m_new_kept, %conv3_beta_m_new_added : tensor<64xf32>
    %conv3_beta_g2 = stablehlo.multiply %conv3_beta_grad, %conv3_beta_grad : tensor<64xf32>
    %conv3_beta_v_new_kept = stablehlo.multiply %conv3_beta_v, %c_0p999_64 : tensor<64xf32>
    %conv3_beta_v_new_added = stablehlo.multiply %conv3_beta_g2, %c_0p0010000000000000009_64 : tensor<64xf32>
    %conv3_beta_v_new = stablehlo.add %conv3_beta_v_new_kept, %conv3_beta_v_new_added : tensor<64xf32>
    %conv3_beta_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<64xf32>
    %conv3_beta_m_hat = stablehlo.divide %conv3_beta_m_new, %conv3_beta_broadcast : tensor<64xf32>
    %conv3_beta_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<64xf32>
    %conv3_beta_v_hat = stablehlo.divide %conv3_beta_v_new, %conv3_beta_broadcast_2 : tensor<64xf32>
    %conv3_beta_v_root = stablehlo.sqrt %conv3_beta_v_hat : tensor<64xf32>
    %conv3_beta_denominator = stablehlo.add %conv3_beta_v_root, %c_1em08_64 : tensor<64xf32>
    %conv3_beta_direction = stablehlo.divide %conv3_beta_m_hat, %conv3_beta_denominator : tensor<64xf32>
    %conv3_beta_step = stablehlo.multiply %conv3_beta_rate, %conv3_beta_direction : tensor<64xf32>
    %conv3_beta_stepped = stablehlo.subtract %conv3_beta, %conv3_beta_step : tensor<64xf32>
    // conv4.w: update
    %conv4_w_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<64x64x3x3xf32>
    %c_0p9_64_64_3_3 = stablehlo.constant dense<0.9> : tensor<64x64x3x3xf32>
    %conv4_w_m_new_kept = stablehlo.multiply %conv4_w_m, %c_0p9_64_64_3_3 : tensor<64x64x3x3xf32>
    %c_0p09999999999999998_64_64_3_3 = stablehlo.constant dense<0.09999999999999998> : tensor<64x64x3x3xf32>
    %conv4_w_m_new_added = stablehlo.multiply %conv4_w_grad, %c_0p09999999999999998_64_64_3_3 : tensor<64x64x3x3xf32>
    %conv4_w_m_new = stablehlo.add %conv4_w_m_new_kept, %conv4_w_m_new_added : tensor<64x64x3x3xf32>
    %conv4_w_g2 = stablehlo.multiply %conv4_w_grad, %conv4_w_grad : tensor<64x64x3x3xf32>
    %c_0p999_64_64_3_3 = stablehlo.constant dense<0.999> : tensor<64x64x3x3xf32>
    %conv4_w_v_new_kept = stablehlo.multiply %conv4_w_v, %c_0p999_64_64_3_3 : tensor<64x64x3x3xf32>
    %c_0p0010000000000000009_64_64_3_3 = stablehlo.constant dense<0.0010000000000000009> : tensor<64x64x3x3xf32>
    %conv4_w_v_new_added = stablehlo.multiply %conv4_w_g2, %c_0p0010000000000000009_64_64_3_3 : tensor<64x64x3x3xf32>
    %conv4_w_v_new = stablehlo.add %conv4_w_v_new_kept, %conv4_w_v_new_added : tensor<64x64x3x3xf32>
    %conv4_w_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<64x64x3x3xf32>
    %conv4_w_m_hat = stablehlo.divide %conv4_w_m_new, %conv4_w_broadcast : tensor<64x64x3x3xf32>
    %conv4_w_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<64x64x3x3xf32>
    %conv4_w_v_hat = stablehlo.divide %conv4_w_v_new, %conv4_w_broadcast_2 : tensor<64x64x3x3xf32>
    %conv4_w_v_root = stablehlo.sqrt %conv4_w_v_hat : tensor<64x64x3x3xf32>
    %c_1em08_64_64_3_3 = stablehlo.constant dense<1.0e-08> : tensor<64x64x3x3xf32>
    %conv4_w_denominator = stablehlo.add %conv4_w_v_root, %c_1em08_64_64_3_3 : tensor<64x64x3x3xf32>
    %conv4_w_direction = stablehlo.divide %conv4_w_m_hat, %conv4_w_denominator : tensor<64x64x3x3xf32>
    %conv4_w_step = stablehlo.multiply %conv4_w_rate, %conv4_w_direction : tensor<64x64x3x3xf32>
    %conv4_w_stepped = stablehlo.subtract %conv4_w, %conv4_w_step : tensor<64x64x3x3xf32>
    %c_9p999999747378752em05_64_64_3_3 = stablehlo.constant dense<9.999999747378752e-05> : tensor<64x64x3x3xf32>
    %conv4_w_decay_rate = stablehlo.multiply %conv4_w_rate, %c_9p999999747378752em05_64_64_3_3 : tensor<64x64x3x3xf32>
    %conv4_w_decay = stablehlo.multiply %conv4_w_decay_rate, %conv4_w : tensor<64x64x3x3xf32>
    %conv4_w_decayed = stablehlo.subtract %conv4_w_stepped, %conv4_w_decay : tensor<64x64x3x3xf32>
    // conv4.gamma: update
    %conv4_gamma_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<64xf32>
    %conv4_gamma_m_new_kept = stablehlo.multiply %conv4_gamma_m, %c_0p9_64 : tensor<64xf32>
    %conv4_gamma_m_new_added = stablehlo.multiply %conv4_gamma_grad, %c_0p09999999999999998_64 : tensor<64xf32>
    %conv4_gamma_m_new = stablehlo.add %conv4_gamma_m_new_kept, %conv4_gamma_m_new_added : tensor<64xf32>
    %conv4_gamma_g2 = stablehlo.multiply %conv4_gamma_grad, %conv4_gamma_grad : tensor<64xf32>
    %conv4_gamma_v_new_kept = stablehlo.multiply %conv4_gamma_v, %c_0p999_64 : tensor<64xf32>
    %conv4_gamma_v_new_added = stablehlo.multiply %conv4_gamma_g2, %c_0p0010000000000000009_64 : tensor<64xf32>
    %conv4_gamma_v_new = stablehlo.add %conv4_gamma_v_new_kept, %conv4_gamma_v_new_added : tensor<64xf32>
    %conv4_gamma_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<64xf32>
    %conv4_gamma_m_hat = stablehlo.divide %conv4_gamma_m_new, %conv4_gamma_broadcast : tensor<64xf32>
    %conv4_gamma_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<64xf32>
    %conv4_gamma_v_hat = stablehlo.divide %conv4_gamma_v_new, %conv4_gamma_broadcast_2 : tensor<64xf32>
    %conv4_gamma_v_root = stablehlo.sqrt %conv4_gamma_v_hat : tensor<64xf32>
    %conv4_gamma_denominator = stablehlo.add %conv4_gamma_v_root, %c_1em08_64 : tensor<64xf32>
    %conv4_gamma_direction = stablehlo.divide %conv4_gamma_m_hat, %conv4_gamma_denominator : tensor<64xf32>
    %conv4_gamma_step = stablehlo.multiply %conv4_gamma_rate, %conv4_gamma_direction : tensor<64xf32>
    %conv4_gamma_stepped = stablehlo.subtract %conv4_gamma, %conv4_gamma_step : tensor<64xf32>
    // conv4.beta: update
    %conv4_beta_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<64xf32>
    %conv4_beta_m_new_kept = stablehlo.multiply %conv4_beta_m, %c_0p9_64 : tensor<64xf32>
    %conv4_beta_m_new_added = stablehlo.multiply %conv4_beta_grad, %c_0p09999999999999998_64 : tensor<64xf32>
    %conv4_beta_m_new = stablehlo.add %conv4_beta_m_new_kept, %conv4_beta_m_new_added : tensor<64xf32>
    %conv4_beta_g2 = stablehlo.multiply %conv4_beta_grad, %conv4_beta_grad : tensor<64xf32>
    %conv4_beta_v_new_kept = stablehlo.multiply %conv4_beta_v, %c_0p999_64 : tensor<64xf32>
    %conv4_beta_v_new_added = stablehlo.multiply %conv4_beta_g2, %c_0p0010000000000000009_64 : tensor<64xf32>
    %conv4_beta_v_new = stablehlo.add %conv4_beta_v_new_kept, %conv4_beta_v_new_added : tensor<64xf32>
    %conv4_beta_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<64xf32>
    %conv4_beta_m_hat = stablehlo.divide %conv4_beta_m_new, %conv4_beta_broadcast : tensor<64xf32>
    %conv4_beta_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<64xf32>
    %conv4_beta_v_hat = stablehlo.divide %conv4_beta_v_new, %conv4_beta_broadcast_2 : tensor<64xf32>
    %conv4_beta_v_root = stablehlo.sqrt %conv4_beta_v_hat : tensor<64xf32>
    %conv4_beta_denominator = stablehlo.add %conv4_beta_v_root, %c_1em08_64 : tensor<64xf32>
    %conv4_beta_direction = stablehlo.divide %conv4_beta_m_hat, %conv4_beta_denominator : tensor<64xf32>
    %conv4_beta_step = stablehlo.multiply %conv4_beta_rate, %conv4_beta_direction : tensor<64xf32>
    %conv4_beta_stepped = stablehlo.subtract %conv4_beta, %conv4_beta_step : tensor<64xf32>
    // dense1.w: update
    %dense1_w_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<3136x512xf32>
    %c_0p9_3136_512 = stablehlo.constant dense<0.9> : tensor<3136x512xf32>
    %dense1_w_m_new_kept = stablehlo.multiply %dense1_w_m, %c_0p9_3136_512 : tensor<3136x512xf32>
    %c_0p09999999999999998_3136_512 = stablehlo.constant dense<0.09999999999999998> : tensor<3136x512xf32>
    %dense1_w_m_new_added = stablehlo.multiply %dense1_w_grad, %c_0p09999999999999998_3136_512 : tensor<3136x512xf32>
    %dense1_w_m_new = stablehlo.add %dense1_w_m_new_kept, %dense1_w_m_new_added : tensor<3136x512xf32>
    %dense1_w_g2 = stablehlo.multiply %dense1_w_grad, %dense1_w_grad : tensor<3136x512xf32>
    %c_0p999_3136_512 = stablehlo.constant dense<0.999> : tensor<3136x512xf32>
    %dense1_w_v_new_kept = stablehlo.multiply %dense1_w_v, %c_0p999_3136_512 : tensor<3136x512xf32>
    %c_0p0010000000000000009_3136_512 = stablehlo.constant dense<0.0010000000000000009> : tensor<3136x512xf32>
    %dense1_w_v_new_added = stablehlo.multiply %dense1_w_g2, %c_0p0010000000000000009_3136_512 : tensor<3136x512xf32>
    %dense1_w_v_new = stablehlo.add %dense1_w_v_new_kept, %dense1_w_v_new_added : tensor<3136x512xf32>
    %dense1_w_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<3136x512xf32>
    %dense1_w_m_hat = stablehlo.divide %dense1_w_m_new, %dense1_w_broadcast : tensor<3136x512xf32>
    %dense1_w_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<3136x512xf32>
    %dense1_w_v_hat = stablehlo.divide %dense1_w_v_new, %dense1_w_broadcast_2 : tensor<3136x512xf32>
    %dense1_w_v_root = stablehlo.sqrt %dense1_w_v_hat : tensor<3136x512xf32>
    %c_1em08_3136_512 = stablehlo.constant dense<1.0e-08> : tensor<3136x512xf32>
    %dense1_w_denominator = stablehlo.add %dense1_w_v_root, %c_1em08_3136_512 : tensor<3136x512xf32>
    %dense1_w_direction = stablehlo.divide %dense1_w_m_hat, %dense1_w_denominator : tensor<3136x512xf32>
    %dense1_w_step = stablehlo.multiply %dense1_w_rate, %dense1_w_direction : tensor<3136x512xf32>
    %dense1_w_stepped = stablehlo.subtract %dense1_w, %dense1_w_step : tensor<3136x512xf32>
    %c_9p999999747378752em05_3136_512 = stablehlo.constant dense<9.999999747378752e-05> : tensor<3136x512xf32>
    %dense1_w_decay_rate = stablehlo.multiply %dense1_w_rate, %c_9p999999747378752em05_3136_512 : tensor<3136x512xf32>
    %dense1_w_decay = stablehlo.multiply %dense1_w_decay_rate, %dense1_w : tensor<3136x512xf32>
    %dense1_w_decayed = stablehlo.subtract %dense1_w_stepped, %dense1_w_decay : tensor<3136x512xf32>
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
    %dense2_w_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<512x10xf32>
    %c_0p9_512_10 = stablehlo.constant dense<0.9> : tensor<512x10xf32>
    %dense2_w_m_new_kept = stablehlo.multiply %dense2_w_m, %c_0p9_512_10 : tensor<512x10xf32>
    %c_0p09999999999999998_512_10 = stablehlo.constant dense<0.09999999999999998> : tensor<512x10xf32>
    %dense2_w_m_new_added = stablehlo.multiply %dense2_w_grad, %c_0p09999999999999998_512_10 : tensor<512x10xf32>
    %dense2_w_m_new = stablehlo.add %dense2_w_m_new_kept, %dense2_w_m_new_added : tensor<512x10xf32>
    %dense2_w_g2 = stablehlo.multiply %dense2_w_grad, %dense2_w_grad : tensor<512x10xf32>
    %c_0p999_512_10 = stablehlo.constant dense<0.999> : tensor<512x10xf32>
    %dense2_w_v_new_kept = stablehlo.multiply %dense2_w_v, %c_0p999_512_10 : tensor<512x10xf32>
    %c_0p0010000000000000009_512_10 = stablehlo.constant dense<0.0010000000000000009> : tensor<512x10xf32>
    %dense2_w_v_new_added = stablehlo.multiply %dense2_w_g2, %c_0p0010000000000000009_512_10 : tensor<512x10xf32>
    %dense2_w_v_new = stablehlo.add %dense2_w_v_new_kept, %dense2_w_v_new_added : tensor<512x10xf32>
    %dense2_w_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<512x10xf32>
    %dense2_w_m_hat = stablehlo.divide %dense2_w_m_new, %dense2_w_broadcast : tensor<512x10xf32>
    %dense2_w_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<512x10xf32>
    %dense2_w_v_hat = stablehlo.divide %dense2_w_v_new, %dense2_w_broadcast_2 : tensor<512x10xf32>
    %dense2_w_v_root = stablehlo.sqrt %dense2_w_v_hat : tensor<512x10xf32>
    %c_1em08_512_10 = stablehlo.constant dense<1.0e-08> : tensor<512x10xf32>
    %dense2_w_denominator = stablehlo.add %dense2_w_v_root, %c_1em08_512_10 : tensor<512x10xf32>
    %dense2_w_direction = stablehlo.divide %dense2_w_m_hat, %dense2_w_denominator : tensor<512x10xf32>
    %dense2_w_step = stablehlo.multiply %dense2_w_rate, %dense2_w_direction : tensor<512x10xf32>
    %dense2_w_stepped = stablehlo.subtract %dense2_w, %dense2_w_step : tensor<512x10xf32>
    %c_9p999999747378752em05_512_10 = stablehlo.constant dense<9.999999747378752e-05> : tensor<512x10xf32>
    %dense2_w_decay_rate = stablehlo.multiply %dense2_w_rate, %c_9p999999747378752em05_512_10 : tensor<512x10xf32>
    %dense2_w_decay = stablehlo.multiply %dense2_w_decay_rate, %dense2_w : tensor<512x10xf32>
    %dense2_w_decayed = stablehlo.subtract %dense2_w_stepped, %dense2_w_decay : tensor<512x10xf32>
    // dense2.b: update
    %dense2_b_rate = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<10xf32>
    %c_0p9_10 = stablehlo.constant dense<0.9> : tensor<10xf32>
    %dense2_b_m_new_kept = stablehlo.multiply %dense2_b_m, %c_0p9_10 : tensor<10xf32>
    %c_0p09999999999999998_10 = stablehlo.constant dense<0.09999999999999998> : tensor<10xf32>
    %dense2_b_m_new_added = stablehlo.multiply %dense2_b_grad, %c_0p09999999999999998_10 : tensor<10xf32>
    %dense2_b_m_new = stablehlo.add %dense2_b_m_new_kept, %dense2_b_m_new_added : tensor<10xf32>
    %dense2_b_g2 = stablehlo.multiply %dense2_b_grad, %dense2_b_grad : tensor<10xf32>
    %c_0p999_10 = stablehlo.constant dense<0.999> : tensor<10xf32>
    %dense2_b_v_new_kept = stablehlo.multiply %dense2_b_v, %c_0p999_10 : tensor<10xf32>
    %c_0p0010000000000000009_10 = stablehlo.constant dense<0.0010000000000000009> : tensor<10xf32>
    %dense2_b_v_new_added = stablehlo.multiply %dense2_b_g2, %c_0p0010000000000000009_10 : tensor<10xf32>
    %dense2_b_v_new = stablehlo.add %dense2_b_v_new_kept, %dense2_b_v_new_added : tensor<10xf32>
    %dense2_b_broadcast = stablehlo.broadcast_in_dim %m_correction, dims = [] : (tensor<f32>) -> tensor<10xf32>
    %dense2_b_m_hat = stablehlo.divide %dense2_b_m_new, %dense2_b_broadcast : tensor<10xf32>
    %dense2_b_broadcast_2 = stablehlo.broadcast_in_dim %v_correction, dims = [] : (tensor<f32>) -> tensor<10xf32>
    %dense2_b_v_hat = stablehlo.divide %dense2_b_v_new, %dense2_b_broadcast_2 : tensor<10xf32>
    %dense2_b_v_root = stablehlo.sqrt %dense2_b_v_hat : tensor<10xf32>
    %c_1em08_10 = stablehlo.constant dense<1.0e-08> : tensor<10xf32>
    %dense2_b_denominator = stablehlo.add %dense2_b_v_root, %c_1em08_10 : tensor<10xf32>
    %dense2_b_direction = stablehlo.divide %dense2_b_m_hat, %dense2_b_denominator : tensor<10xf32>
    %dense2_b_step = stablehlo.multiply %dense2_b_rate, %dense2_b_direction : tensor<10xf32>
    %dense2_b_stepped = stablehlo.subtract %dense2_b, %dense2_b_step : tensor<10xf32>
    return %loss_mean, %conv1_w_decayed, %conv1_gamma_stepped, %conv1_beta_stepped, %conv2_w_decayed, %conv2_gamma_stepped, %conv2_beta_stepped, %conv3_w_decayed, %conv3_gamma_stepped, %conv3_beta_stepped, %conv4_w_decayed, %conv4_gamma_stepped, %conv4_beta_stepped, %dense1_w_decayed, %dense1_b_stepped, %dense2_w_decayed, %dense2_b_stepped, %conv1_w_m_new, %conv1_gamma_m_new, %conv1_beta_m_new, %conv2_w_m_new, %conv2_gamma_m_new, %conv2_beta_m_new, %conv3_w_m_new, %conv3_gamma_m_new, %conv3_beta_m_new, %conv4_w_m_new, %conv4_gamma_m_new, %conv4_beta_m_new, %dense1_w_m_new, %dense1_b_m_new, %dense2_w_m_new, %dense2_b_m_new, %conv1_w_v_new, %conv1_gamma_v_new, %conv1_beta_v_new, %conv2_w_v_new, %conv2_gamma_v_new, %conv2_beta_v_new, %conv3_w_v_new, %conv3_gamma_v_new, %conv3_beta_v_new, %conv4_w_v_new, %conv4_gamma_v_new, %conv4_beta_v_new, %dense1_w_v_new, %dense1_b_v_new, %dense2_w_v_new, %dense2_b_v_new, %conv1_bn_mean_new, %conv1_bn_var_new, %conv2_bn_mean_new, %conv2_bn_var_new, %conv3_bn_mean_new, %conv3_bn_var_new, %conv4_bn_mean_new, %conv4_bn_var_new, %conv1_w_grad, %conv1_gamma_grad, %conv1_beta_grad, %conv2_w_grad, %conv2_gamma_grad, %conv2_beta_grad, %conv3_w_grad, %conv3_gamma_grad, %conv3_beta_grad, %conv4_w_grad, %conv4_gamma_grad, %conv4_beta_grad, %dense1_w_grad, %dense1_b_grad, %dense2_w_grad, %dense2_b_grad : tensor<f32>, tensor<32x1x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32x32x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<64x32x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64x64x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<3136x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>, tensor<32x1x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32x32x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<64x32x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64x64x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<3136x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>, tensor<32x1x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32x32x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<64x32x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64x64x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<3136x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64xf32>, tensor<32x1x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<32x32x3x3xf32>, tensor<32xf32>, tensor<32xf32>, tensor<64x32x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<64x64x3x3xf32>, tensor<64xf32>, tensor<64xf32>, tensor<3136x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>
  }
  func.func @norms(
    %conv1_w_grad: tensor<32x1x3x3xf32>,
    %conv1_gamma_grad: tensor<32xf32>,
    %conv1_beta_grad: tensor<32xf32>,
    %conv2_w_grad: tensor<32x32x3x3xf32>,
    %conv2_gamma_grad: tensor<32xf32>,
    %conv2_beta_grad: tensor<32xf32>,
    %conv3_w_grad: tensor<64x32x3x3xf32>,
    %conv3_gamma_grad: tensor<64xf32>,
    %conv3_beta_grad: tensor<64xf32>,
    %conv4_w_grad: tensor<64x64x3x3xf32>,
    %conv4_gamma_grad: tensor<64xf32>,
    %conv4_beta_grad: tensor<64xf32>,
    %dense1_w_grad: tensor<3136x512xf32>,
    %dense1_b_grad: tensor<512xf32>,
    %dense2_w_grad: tensor<512x10xf32>,
    %dense2_b_grad: tensor<10xf32>,
    %conv1_w_param: tensor<32x1x3x3xf32>,
    %conv1_gamma_param: tensor<32xf32>,
    %conv1_beta_param: tensor<32xf32>,
    %conv2_w_param: tensor<32x32x3x3xf32>,
    %conv2_gamma_param: tensor<32xf32>,
    %conv2_beta_param: tensor<32xf32>,
    %conv3_w_param: tensor<64x32x3x3xf32>,
    %conv3_gamma_param: tensor<64xf32>,
    %conv3_beta_param: tensor<64xf32>,
    %conv4_w_param: tensor<64x64x3x3xf32>,
    %conv4_gamma_param: tensor<64xf32>,
    %conv4_beta_param: tensor<64xf32>,
    %dense1_w_param: tensor<3136x512xf32>,
    %dense1_b_param: tensor<512xf32>,
    %dense2_w_param: tensor<512x10xf32>,
    %dense2_b_param: tensor<10xf32>,
    %conv1_w_after: tensor<32x1x3x3xf32>,
    %conv1_gamma_after: tensor<32xf32>,
    %conv1_beta_after: tensor<32xf32>,
    %conv2_w_after: tensor<32x32x3x3xf32>,
    %conv2_gamma_after: tensor<32xf32>,
    %conv2_beta_after: tensor<32xf32>,
    %conv3_w_after: tensor<64x32x3x3xf32>,
    %conv3_gamma_after: tensor<64xf32>,
    %conv3_beta_after: tensor<64xf32>,
    %conv4_w_after: tensor<64x64x3x3xf32>,
    %conv4_gamma_after: tensor<64xf32>,
    %conv4_beta_after: tensor<64xf32>,
    %dense1_w_after: tensor<3136x512xf32>,
    %dense1_b_after: tensor<512xf32>,
    %dense2_w_after: tensor<512x10xf32>,
    %dense2_b_after: tensor<10xf32>
  ) -> (tensor<16xf32>, tensor<16xf32>, tensor<16xf32>) {
    %conv1_w_grad_square = stablehlo.multiply %conv1_w_grad, %conv1_w_grad : tensor<32x1x3x3xf32>
    %c_0 = stablehlo.constant dense<0.0> : tensor<f32>
    %conv1_w_grad_row_sums = stablehlo.reduce(%conv1_w_grad_square init: %c_0) applies stablehlo.add across dimensions = [1, 2, 3] : (tensor<32x1x3x3xf32>, tensor<f32>) -> tensor<32xf32>
    %conv1_w_grad_sum = stablehlo.reduce(%conv1_w_grad_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv1_w_grad_sum_1 = stablehlo.reshape %conv1_w_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %conv1_gamma_grad_square = stablehlo.multiply %conv1_gamma_grad, %conv1_gamma_grad : tensor<32xf32>
    %conv1_gamma_grad_sum = stablehlo.reduce(%conv1_gamma_grad_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv1_gamma_grad_sum_1 = stablehlo.reshape %conv1_gamma_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %conv1_beta_grad_square = stablehlo.multiply %conv1_beta_grad, %conv1_beta_grad : tensor<32xf32>
    %conv1_beta_grad_sum = stablehlo.reduce(%conv1_beta_grad_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv1_beta_grad_sum_1 = stablehlo.reshape %conv1_beta_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %conv2_w_grad_square = stablehlo.multiply %conv2_w_grad, %conv2_w_grad : tensor<32x32x3x3xf32>
    %conv2_w_grad_row_sums = stablehlo.reduce(%conv2_w_grad_square init: %c_0) applies stablehlo.add across dimensions = [1, 2, 3] : (tensor<32x32x3x3xf32>, tensor<f32>) -> tensor<32xf32>
    %conv2_w_grad_sum = stablehlo.reduce(%conv2_w_grad_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv2_w_grad_sum_1 = stablehlo.reshape %conv2_w_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %conv2_gamma_grad_square = stablehlo.multiply %conv2_gamma_grad, %conv2_gamma_grad : tensor<32xf32>
    %conv2_gamma_grad_sum = stablehlo.reduce(%conv2_gamma_grad_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv2_gamma_grad_sum_1 = stablehlo.reshape %conv2_gamma_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %conv2_beta_grad_square = stablehlo.multiply %conv2_beta_grad, %conv2_beta_grad : tensor<32xf32>
    %conv2_beta_grad_sum = stablehlo.reduce(%conv2_beta_grad_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv2_beta_grad_sum_1 = stablehlo.reshape %conv2_beta_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %conv3_w_grad_square = stablehlo.multiply %conv3_w_grad, %conv3_w_grad : tensor<64x32x3x3xf32>
    %conv3_w_grad_row_sums = stablehlo.reduce(%conv3_w_grad_square init: %c_0) applies stablehlo.add across dimensions = [1, 2, 3] : (tensor<64x32x3x3xf32>, tensor<f32>) -> tensor<64xf32>
    %conv3_w_grad_sum = stablehlo.reduce(%conv3_w_grad_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv3_w_grad_sum_1 = stablehlo.reshape %conv3_w_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %conv3_gamma_grad_square = stablehlo.multiply %conv3_gamma_grad, %conv3_gamma_grad : tensor<64xf32>
    %conv3_gamma_grad_sum = stablehlo.reduce(%conv3_gamma_grad_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv3_gamma_grad_sum_1 = stablehlo.reshape %conv3_gamma_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %conv3_beta_grad_square = stablehlo.multiply %conv3_beta_grad, %conv3_beta_grad : tensor<64xf32>
    %conv3_beta_grad_sum = stablehlo.reduce(%conv3_beta_grad_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv3_beta_grad_sum_1 = stablehlo.reshape %conv3_beta_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %conv4_w_grad_square = stablehlo.multiply %conv4_w_grad, %conv4_w_grad : tensor<64x64x3x3xf32>
    %conv4_w_grad_row_sums = stablehlo.reduce(%conv4_w_grad_square init: %c_0) applies stablehlo.add across dimensions = [1, 2, 3] : (tensor<64x64x3x3xf32>, tensor<f32>) -> tensor<64xf32>
    %conv4_w_grad_sum = stablehlo.reduce(%conv4_w_grad_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv4_w_grad_sum_1 = stablehlo.reshape %conv4_w_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %conv4_gamma_grad_square = stablehlo.multiply %conv4_gamma_grad, %conv4_gamma_grad : tensor<64xf32>
    %conv4_gamma_grad_sum = stablehlo.reduce(%conv4_gamma_grad_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv4_gamma_grad_sum_1 = stablehlo.reshape %conv4_gamma_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %conv4_beta_grad_square = stablehlo.multiply %conv4_beta_grad, %conv4_beta_grad : tensor<64xf32>
    %conv4_beta_grad_sum = stablehlo.reduce(%conv4_beta_grad_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv4_beta_grad_sum_1 = stablehlo.reshape %conv4_beta_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %dense1_w_grad_square = stablehlo.multiply %dense1_w_grad, %dense1_w_grad : tensor<3136x512xf32>
    %dense1_w_grad_row_sums = stablehlo.reduce(%dense1_w_grad_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<3136x512xf32>, tensor<f32>) -> tensor<3136xf32>
    %dense1_w_grad_sum = stablehlo.reduce(%dense1_w_grad_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<3136xf32>, tensor<f32>) -> tensor<f32>
    %dense1_w_grad_sum_1 = stablehlo.reshape %dense1_w_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %dense1_b_grad_square = stablehlo.multiply %dense1_b_grad, %dense1_b_grad : tensor<512xf32>
    %dense1_b_grad_sum = stablehlo.reduce(%dense1_b_grad_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense1_b_grad_sum_1 = stablehlo.reshape %dense1_b_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %dense2_w_grad_square = stablehlo.multiply %dense2_w_grad, %dense2_w_grad : tensor<512x10xf32>
    %dense2_w_grad_row_sums = stablehlo.reduce(%dense2_w_grad_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<512x10xf32>, tensor<f32>) -> tensor<512xf32>
    %dense2_w_grad_sum = stablehlo.reduce(%dense2_w_grad_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense2_w_grad_sum_1 = stablehlo.reshape %dense2_w_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %dense2_b_grad_square = stablehlo.multiply %dense2_b_grad, %dense2_b_grad : tensor<10xf32>
    %dense2_b_grad_sum = stablehlo.reduce(%dense2_b_grad_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<10xf32>, tensor<f32>) -> tensor<f32>
    %dense2_b_grad_sum_1 = stablehlo.reshape %dense2_b_grad_sum : (tensor<f32>) -> tensor<1xf32>
    %grad_squares = stablehlo.concatenate %conv1_w_grad_sum_1, %conv1_gamma_grad_sum_1, %conv1_beta_grad_sum_1, %conv2_w_grad_sum_1, %conv2_gamma_grad_sum_1, %conv2_beta_grad_sum_1, %conv3_w_grad_sum_1, %conv3_gamma_grad_sum_1, %conv3_beta_grad_sum_1, %conv4_w_grad_sum_1, %conv4_gamma_grad_sum_1, %conv4_beta_grad_sum_1, %dense1_w_grad_sum_1, %dense1_b_grad_sum_1, %dense2_w_grad_sum_1, %dense2_b_grad_sum_1, dim = 0 : (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<16xf32>
    %grad_norms = stablehlo.sqrt %grad_squares : tensor<16xf32>
    %conv1_w_param_square = stablehlo.multiply %conv1_w_param, %conv1_w_param : tensor<32x1x3x3xf32>
    %conv1_w_param_row_sums = stablehlo.reduce(%conv1_w_param_square init: %c_0) applies stablehlo.add across dimensions = [1, 2, 3] : (tensor<32x1x3x3xf32>, tensor<f32>) -> tensor<32xf32>
    %conv1_w_param_sum = stablehlo.reduce(%conv1_w_param_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv1_w_param_sum_1 = stablehlo.reshape %conv1_w_param_sum : (tensor<f32>) -> tensor<1xf32>
    %conv1_gamma_param_square = stablehlo.multiply %conv1_gamma_param, %conv1_gamma_param : tensor<32xf32>
    %conv1_gamma_param_sum = stablehlo.reduce(%conv1_gamma_param_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv1_gamma_param_sum_1 = stablehlo.reshape %conv1_gamma_param_sum : (tensor<f32>) -> tensor<1xf32>
    %conv1_beta_param_square = stablehlo.multiply %conv1_beta_param, %conv1_beta_param : tensor<32xf32>
    %conv1_beta_param_sum = stablehlo.reduce(%conv1_beta_param_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv1_beta_param_sum_1 = stablehlo.reshape %conv1_beta_param_sum : (tensor<f32>) -> tensor<1xf32>
    %conv2_w_param_square = stablehlo.multiply %conv2_w_param, %conv2_w_param : tensor<32x32x3x3xf32>
    %conv2_w_param_row_sums = stablehlo.reduce(%conv2_w_param_square init: %c_0) applies stablehlo.add across dimensions = [1, 2, 3] : (tensor<32x32x3x3xf32>, tensor<f32>) -> tensor<32xf32>
    %conv2_w_param_sum = stablehlo.reduce(%conv2_w_param_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv2_w_param_sum_1 = stablehlo.reshape %conv2_w_param_sum : (tensor<f32>) -> tensor<1xf32>
    %conv2_gamma_param_square = stablehlo.multiply %conv2_gamma_param, %conv2_gamma_param : tensor<32xf32>
    %conv2_gamma_param_sum = stablehlo.reduce(%conv2_gamma_param_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv2_gamma_param_sum_1 = stablehlo.reshape %conv2_gamma_param_sum : (tensor<f32>) -> tensor<1xf32>
    %conv2_beta_param_square = stablehlo.multiply %conv2_beta_param, %conv2_beta_param : tensor<32xf32>
    %conv2_beta_param_sum = stablehlo.reduce(%conv2_beta_param_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv2_beta_param_sum_1 = stablehlo.reshape %conv2_beta_param_sum : (tensor<f32>) -> tensor<1xf32>
    %conv3_w_param_square = stablehlo.multiply %conv3_w_param, %conv3_w_param : tensor<64x32x3x3xf32>
    %conv3_w_param_row_sums = stablehlo.reduce(%conv3_w_param_square init: %c_0) applies stablehlo.add across dimensions = [1, 2, 3] : (tensor<64x32x3x3xf32>, tensor<f32>) -> tensor<64xf32>
    %conv3_w_param_sum = stablehlo.reduce(%conv3_w_param_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv3_w_param_sum_1 = stablehlo.reshape %conv3_w_param_sum : (tensor<f32>) -> tensor<1xf32>
    %conv3_gamma_param_square = stablehlo.multiply %conv3_gamma_param, %conv3_gamma_param : tensor<64xf32>
    %conv3_gamma_param_sum = stablehlo.reduce(%conv3_gamma_param_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv3_gamma_param_sum_1 = stablehlo.reshape %conv3_gamma_param_sum : (tensor<f32>) -> tensor<1xf32>
    %conv3_beta_param_square = stablehlo.multiply %conv3_beta_param, %conv3_beta_param : tensor<64xf32>
    %conv3_beta_param_sum = stablehlo.reduce(%conv3_beta_param_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv3_beta_param_sum_1 = stablehlo.reshape %conv3_beta_param_sum : (tensor<f32>) -> tensor<1xf32>
    %conv4_w_param_square = stablehlo.multiply %conv4_w_param, %conv4_w_param : tensor<64x64x3x3xf32>
    %conv4_w_param_row_sums = stablehlo.reduce(%conv4_w_param_square init: %c_0) applies stablehlo.add across dimensions = [1, 2, 3] : (tensor<64x64x3x3xf32>, tensor<f32>) -> tensor<64xf32>
    %conv4_w_param_sum = stablehlo.reduce(%conv4_w_param_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv4_w_param_sum_1 = stablehlo.reshape %conv4_w_param_sum : (tensor<f32>) -> tensor<1xf32>
    %conv4_gamma_param_square = stablehlo.multiply %conv4_gamma_param, %conv4_gamma_param : tensor<64xf32>
    %conv4_gamma_param_sum = stablehlo.reduce(%conv4_gamma_param_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv4_gamma_param_sum_1 = stablehlo.reshape %conv4_gamma_param_sum : (tensor<f32>) -> tensor<1xf32>
    %conv4_beta_param_square = stablehlo.multiply %conv4_beta_param, %conv4_beta_param : tensor<64xf32>
    %conv4_beta_param_sum = stablehlo.reduce(%conv4_beta_param_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv4_beta_param_sum_1 = stablehlo.reshape %conv4_beta_param_sum : (tensor<f32>) -> tensor<1xf32>
    %dense1_w_param_square = stablehlo.multiply %dense1_w_param, %dense1_w_param : tensor<3136x512xf32>
    %dense1_w_param_row_sums = stablehlo.reduce(%dense1_w_param_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<3136x512xf32>, tensor<f32>) -> tensor<3136xf32>
    %dense1_w_param_sum = stablehlo.reduce(%dense1_w_param_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<3136xf32>, tensor<f32>) -> tensor<f32>
    %dense1_w_param_sum_1 = stablehlo.reshape %dense1_w_param_sum : (tensor<f32>) -> tensor<1xf32>
    %dense1_b_param_square = stablehlo.multiply %dense1_b_param, %dense1_b_param : tensor<512xf32>
    %dense1_b_param_sum = stablehlo.reduce(%dense1_b_param_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense1_b_param_sum_1 = stablehlo.reshape %dense1_b_param_sum : (tensor<f32>) -> tensor<1xf32>
    %dense2_w_param_square = stablehlo.multiply %dense2_w_param, %dense2_w_param : tensor<512x10xf32>
    %dense2_w_param_row_sums = stablehlo.reduce(%dense2_w_param_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<512x10xf32>, tensor<f32>) -> tensor<512xf32>
    %dense2_w_param_sum = stablehlo.reduce(%dense2_w_param_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense2_w_param_sum_1 = stablehlo.reshape %dense2_w_param_sum : (tensor<f32>) -> tensor<1xf32>
    %dense2_b_param_square = stablehlo.multiply %dense2_b_param, %dense2_b_param : tensor<10xf32>
    %dense2_b_param_sum = stablehlo.reduce(%dense2_b_param_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<10xf32>, tensor<f32>) -> tensor<f32>
    %dense2_b_param_sum_1 = stablehlo.reshape %dense2_b_param_sum : (tensor<f32>) -> tensor<1xf32>
    %param_squares = stablehlo.concatenate %conv1_w_param_sum_1, %conv1_gamma_param_sum_1, %conv1_beta_param_sum_1, %conv2_w_param_sum_1, %conv2_gamma_param_sum_1, %conv2_beta_param_sum_1, %conv3_w_param_sum_1, %conv3_gamma_param_sum_1, %conv3_beta_param_sum_1, %conv4_w_param_sum_1, %conv4_gamma_param_sum_1, %conv4_beta_param_sum_1, %dense1_w_param_sum_1, %dense1_b_param_sum_1, %dense2_w_param_sum_1, %dense2_b_param_sum_1, dim = 0 : (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<16xf32>
    %param_norms = stablehlo.sqrt %param_squares : tensor<16xf32>
    %conv1_w_update_move = stablehlo.subtract %conv1_w_after, %conv1_w_param : tensor<32x1x3x3xf32>
    %conv1_w_update_square = stablehlo.multiply %conv1_w_update_move, %conv1_w_update_move : tensor<32x1x3x3xf32>
    %conv1_w_update_row_sums = stablehlo.reduce(%conv1_w_update_square init: %c_0) applies stablehlo.add across dimensions = [1, 2, 3] : (tensor<32x1x3x3xf32>, tensor<f32>) -> tensor<32xf32>
    %conv1_w_update_sum = stablehlo.reduce(%conv1_w_update_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv1_w_update_sum_1 = stablehlo.reshape %conv1_w_update_sum : (tensor<f32>) -> tensor<1xf32>
    %conv1_gamma_update_move = stablehlo.subtract %conv1_gamma_after, %conv1_gamma_param : tensor<32xf32>
    %conv1_gamma_update_square = stablehlo.multiply %conv1_gamma_update_move, %conv1_gamma_update_move : tensor<32xf32>
    %conv1_gamma_update_sum = stablehlo.reduce(%conv1_gamma_update_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv1_gamma_update_sum_1 = stablehlo.reshape %conv1_gamma_update_sum : (tensor<f32>) -> tensor<1xf32>
    %conv1_beta_update_move = stablehlo.subtract %conv1_beta_after, %conv1_beta_param : tensor<32xf32>
    %conv1_beta_update_square = stablehlo.multiply %conv1_beta_update_move, %conv1_beta_update_move : tensor<32xf32>
    %conv1_beta_update_sum = stablehlo.reduce(%conv1_beta_update_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv1_beta_update_sum_1 = stablehlo.reshape %conv1_beta_update_sum : (tensor<f32>) -> tensor<1xf32>
    %conv2_w_update_move = stablehlo.subtract %conv2_w_after, %conv2_w_param : tensor<32x32x3x3xf32>
    %conv2_w_update_square = stablehlo.multiply %conv2_w_update_move, %conv2_w_update_move : tensor<32x32x3x3xf32>
    %conv2_w_update_row_sums = stablehlo.reduce(%conv2_w_update_square init: %c_0) applies stablehlo.add across dimensions = [1, 2, 3] : (tensor<32x32x3x3xf32>, tensor<f32>) -> tensor<32xf32>
    %conv2_w_update_sum = stablehlo.reduce(%conv2_w_update_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv2_w_update_sum_1 = stablehlo.reshape %conv2_w_update_sum : (tensor<f32>) -> tensor<1xf32>
    %conv2_gamma_update_move = stablehlo.subtract %conv2_gamma_after, %conv2_gamma_param : tensor<32xf32>
    %conv2_gamma_update_square = stablehlo.multiply %conv2_gamma_update_move, %conv2_gamma_update_move : tensor<32xf32>
    %conv2_gamma_update_sum = stablehlo.reduce(%conv2_gamma_update_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv2_gamma_update_sum_1 = stablehlo.reshape %conv2_gamma_update_sum : (tensor<f32>) -> tensor<1xf32>
    %conv2_beta_update_move = stablehlo.subtract %conv2_beta_after, %conv2_beta_param : tensor<32xf32>
    %conv2_beta_update_square = stablehlo.multiply %conv2_beta_update_move, %conv2_beta_update_move : tensor<32xf32>
    %conv2_beta_update_sum = stablehlo.reduce(%conv2_beta_update_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<32xf32>, tensor<f32>) -> tensor<f32>
    %conv2_beta_update_sum_1 = stablehlo.reshape %conv2_beta_update_sum : (tensor<f32>) -> tensor<1xf32>
    %conv3_w_update_move = stablehlo.subtract %conv3_w_after, %conv3_w_param : tensor<64x32x3x3xf32>
    %conv3_w_update_square = stablehlo.multiply %conv3_w_update_move, %conv3_w_update_move : tensor<64x32x3x3xf32>
    %conv3_w_update_row_sums = stablehlo.reduce(%conv3_w_update_square init: %c_0) applies stablehlo.add across dimensions = [1, 2, 3] : (tensor<64x32x3x3xf32>, tensor<f32>) -> tensor<64xf32>
    %conv3_w_update_sum = stablehlo.reduce(%conv3_w_update_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv3_w_update_sum_1 = stablehlo.reshape %conv3_w_update_sum : (tensor<f32>) -> tensor<1xf32>
    %conv3_gamma_update_move = stablehlo.subtract %conv3_gamma_after, %conv3_gamma_param : tensor<64xf32>
    %conv3_gamma_update_square = stablehlo.multiply %conv3_gamma_update_move, %conv3_gamma_update_move : tensor<64xf32>
    %conv3_gamma_update_sum = stablehlo.reduce(%conv3_gamma_update_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv3_gamma_update_sum_1 = stablehlo.reshape %conv3_gamma_update_sum : (tensor<f32>) -> tensor<1xf32>
    %conv3_beta_update_move = stablehlo.subtract %conv3_beta_after, %conv3_beta_param : tensor<64xf32>
    %conv3_beta_update_square = stablehlo.multiply %conv3_beta_update_move, %conv3_beta_update_move : tensor<64xf32>
    %conv3_beta_update_sum = stablehlo.reduce(%conv3_beta_update_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv3_beta_update_sum_1 = stablehlo.reshape %conv3_beta_update_sum : (tensor<f32>) -> tensor<1xf32>
    %conv4_w_update_move = stablehlo.subtract %conv4_w_after, %conv4_w_param : tensor<64x64x3x3xf32>
    %conv4_w_update_square = stablehlo.multiply %conv4_w_update_move, %conv4_w_update_move : tensor<64x64x3x3xf32>
    %conv4_w_update_row_sums = stablehlo.reduce(%conv4_w_update_square init: %c_0) applies stablehlo.add across dimensions = [1, 2, 3] : (tensor<64x64x3x3xf32>, tensor<f32>) -> tensor<64xf32>
    %conv4_w_update_sum = stablehlo.reduce(%conv4_w_update_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv4_w_update_sum_1 = stablehlo.reshape %conv4_w_update_sum : (tensor<f32>) -> tensor<1xf32>
    %conv4_gamma_update_move = stablehlo.subtract %conv4_gamma_after, %conv4_gamma_param : tensor<64xf32>
    %conv4_gamma_update_square = stablehlo.multiply %conv4_gamma_update_move, %conv4_gamma_update_move : tensor<64xf32>
    %conv4_gamma_update_sum = stablehlo.reduce(%conv4_gamma_update_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv4_gamma_update_sum_1 = stablehlo.reshape %conv4_gamma_update_sum : (tensor<f32>) -> tensor<1xf32>
    %conv4_beta_update_move = stablehlo.subtract %conv4_beta_after, %conv4_beta_param : tensor<64xf32>
    %conv4_beta_update_square = stablehlo.multiply %conv4_beta_update_move, %conv4_beta_update_move : tensor<64xf32>
    %conv4_beta_update_sum = stablehlo.reduce(%conv4_beta_update_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<64xf32>, tensor<f32>) -> tensor<f32>
    %conv4_beta_update_sum_1 = stablehlo.reshape %conv4_beta_update_sum : (tensor<f32>) -> tensor<1xf32>
    %dense1_w_update_move = stablehlo.subtract %dense1_w_after, %dense1_w_param : tensor<3136x512xf32>
    %dense1_w_update_square = stablehlo.multiply %dense1_w_update_move, %dense1_w_update_move : tensor<3136x512xf32>
    %dense1_w_update_row_sums = stablehlo.reduce(%dense1_w_update_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<3136x512xf32>, tensor<f32>) -> tensor<3136xf32>
    %dense1_w_update_sum = stablehlo.reduce(%dense1_w_update_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<3136xf32>, tensor<f32>) -> tensor<f32>
    %dense1_w_update_sum_1 = stablehlo.reshape %dense1_w_update_sum : (tensor<f32>) -> tensor<1xf32>
    %dense1_b_update_move = stablehlo.subtract %dense1_b_after, %dense1_b_param : tensor<512xf32>
    %dense1_b_update_square = stablehlo.multiply %dense1_b_update_move, %dense1_b_update_move : tensor<512xf32>
    %dense1_b_update_sum = stablehlo.reduce(%dense1_b_update_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense1_b_update_sum_1 = stablehlo.reshape %dense1_b_update_sum : (tensor<f32>) -> tensor<1xf32>
    %dense2_w_update_move = stablehlo.subtract %dense2_w_after, %dense2_w_param : tensor<512x10xf32>
    %dense2_w_update_square = stablehlo.multiply %dense2_w_update_move, %dense2_w_update_move : tensor<512x10xf32>
    %dense2_w_update_row_sums = stablehlo.reduce(%dense2_w_update_square init: %c_0) applies stablehlo.add across dimensions = [1] : (tensor<512x10xf32>, tensor<f32>) -> tensor<512xf32>
    %dense2_w_update_sum = stablehlo.reduce(%dense2_w_update_row_sums init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<512xf32>, tensor<f32>) -> tensor<f32>
    %dense2_w_update_sum_1 = stablehlo.reshape %dense2_w_update_sum : (tensor<f32>) -> tensor<1xf32>
    %dense2_b_update_move = stablehlo.subtract %dense2_b_after, %dense2_b_param : tensor<10xf32>
    %dense2_b_update_square = stablehlo.multiply %dense2_b_update_move, %dense2_b_update_move : tensor<10xf32>
    %dense2_b_update_sum = stablehlo.reduce(%dense2_b_update_square init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<10xf32>, tensor<f32>) -> tensor<f32>
    %dense2_b_update_sum_1 = stablehlo.reshape %dense2_b_update_sum : (tensor<f32>) -> tensor<1xf32>
    %update_squares = stablehlo.concatenate %conv1_w_update_sum_1, %conv1_gamma_update_sum_1, %conv1_beta_update_sum_1, %conv2_w_update_sum_1, %conv2_gamma_update_sum_1, %conv2_beta_update_sum_1, %conv3_w_update_sum_1, %conv3_gamma_update_sum_1, %conv3_beta_update_sum_1, %conv4_w_update_sum_1, %conv4_gamma_update_sum_1, %conv4_beta_update_sum_1, %dense1_w_update_sum_1, %dense1_b_update_sum_1, %dense2_w_update_sum_1, %dense2_b_update_sum_1, dim = 0 : (tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>, tensor<1xf32>) -> tensor<16xf32>
    %update_norms = stablehlo.sqrt %update_squares : tensor<16xf32>
    return %grad_norms, %param_norms, %update_norms : tensor<16xf32>, tensor<16xf32>, tensor<16xf32>
  }
}
