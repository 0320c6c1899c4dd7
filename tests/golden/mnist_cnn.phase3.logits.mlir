// MNIST-CNN: logits in f32.
// netspec baf5fc70351a0a8eacacd79df625d7fc5ec4a8e05eea14dd1ffc79f21fe6bddf
module @logits {
  func.func @logits(
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
    %conv1_mean: tensor<32xf32>,
    %conv1_var: tensor<32xf32>,
    %conv2_mean: tensor<32xf32>,
    %conv2_var: tensor<32xf32>,
    %conv3_mean: tensor<64xf32>,
    %conv3_var: tensor<64xf32>,
    %conv4_mean: tensor<64xf32>,
    %conv4_var: tensor<64xf32>,
    %x: tensor<128x1x28x28xf32>
  ) -> (tensor<128x10xf32>) {
    %x_nhwc = stablehlo.reshape %x : (tensor<128x1x28x28xf32>) -> tensor<128x28x28x1xf32>
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
    %c_1em05_32 = stablehlo.constant dense<1.0e-05> : tensor<32xf32>
    %conv1_bn_var_eps = stablehlo.add %conv1_var, %c_1em05_32 : tensor<32xf32>
    %conv1_bn_std = stablehlo.sqrt %conv1_bn_var_eps : tensor<32xf32>
    %c_1_32 = stablehlo.constant dense<1.0> : tensor<32xf32>
    %conv1_bn_istd = stablehlo.divide %c_1_32, %conv1_bn_std : tensor<32xf32>
    %conv1_bn_mean_pixels = stablehlo.broadcast_in_dim %conv1_mean, dims = [3] : (tensor<32xf32>) -> tensor<128x28x28x32xf32>
    %conv1_bn_centred = stablehlo.subtract %conv1_y, %conv1_bn_mean_pixels : tensor<128x28x28x32xf32>
    %conv1_bn_istd_pixels = stablehlo.broadcast_in_dim %conv1_bn_istd, dims = [3] : (tensor<32xf32>) -> tensor<128x28x28x32xf32>
    %conv1_bn_xhat = stablehlo.multiply %conv1_bn_centred, %conv1_bn_istd_pixels : tensor<128x28x28x32xf32>
    %conv1_bn_gamma_pixels = stablehlo.broadcast_in_dim %conv1_gamma, dims = [3] : (tensor<32xf32>) -> tensor<128x28x28x32xf32>
    %conv1_bn_scaled = stablehlo.multiply %conv1_bn_xhat, %conv1_bn_gamma_pixels : tensor<128x28x28x32xf32>
    %conv1_bn_beta_pixels = stablehlo.broadcast_in_dim %conv1_beta, dims = [3] : (tensor<32xf32>) -> tensor<128x28x28x32xf32>
    %conv1_bn_y = stablehlo.add %conv1_bn_scaled, %conv1_bn_beta_pixels : tensor<128x28x28x32xf32>
    %c_0_128_28_28_32 = stablehlo.constant dense<0.0> : tensor<128x28x28x32xf32>
    %conv1_relu_y = stablehlo.maximum %conv1_bn_y, %c_0_128_28_28_32 : tensor<128x28x28x32xf32>
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
    %conv2_bn_var_eps = stablehlo.add %conv2_var, %c_1em05_32 : tensor<32xf32>
    %conv2_bn_std = stablehlo.sqrt %conv2_bn_var_eps : tensor<32xf32>
    %conv2_bn_istd = stablehlo.divide %c_1_32, %conv2_bn_std : tensor<32xf32>
    %conv2_bn_mean_pixels = stablehlo.broadcast_in_dim %conv2_mean, dims = [3] : (tensor<32xf32>) -> tensor<128x28x28x32xf32>
    %conv2_bn_centred = stablehlo.subtract %conv2_y, %conv2_bn_mean_pixels : tensor<128x28x28x32xf32>
    %conv2_bn_istd_pixels = stablehlo.broadcast_in_dim %conv2_bn_istd, dims = [3] : (tensor<32xf32>) -> tensor<128x28x28x32xf32>
    %conv2_bn_xhat = stablehlo.multiply %conv2_bn_centred, %conv2_bn_istd_pixels : tensor<128x28x28x32xf32>
    %conv2_bn_gamma_pixels = stablehlo.broadcast_in_dim %conv2_gamma, dims = [3] : (tensor<32xf32>) -> tensor<128x28x28x32xf32>
    %conv2_bn_scaled = stablehlo.multiply %conv2_bn_xhat, %conv2_bn_gamma_pixels : tensor<128x28x28x32xf32>
    %conv2_bn_beta_pixels = stablehlo.broadcast_in_dim %conv2_beta, dims = [3] : (tensor<32xf32>) -> tensor<128x28x28x32xf32>
    %conv2_bn_y = stablehlo.add %conv2_bn_scaled, %conv2_bn_beta_pixels : tensor<128x28x28x32xf32>
    %conv2_relu_y = stablehlo.maximum %conv2_bn_y, %c_0_128_28_28_32 : tensor<128x28x28x32xf32>
    %pool1_tap00 = stablehlo.slice %conv2_relu_y [0:128:1, 0:27:2, 0:27:2, 0:32:1] : (tensor<128x28x28x32xf32>) -> tensor<128x14x14x32xf32>
    %pool1_tap01 = stablehlo.slice %conv2_relu_y [0:128:1, 0:27:2, 1:28:2, 0:32:1] : (tensor<128x28x28x32xf32>) -> tensor<128x14x14x32xf32>
    %pool1_tap10 = stablehlo.slice %conv2_relu_y [0:128:1, 1:28:2, 0:27:2, 0:32:1] : (tensor<128x28x28x32xf32>) -> tensor<128x14x14x32xf32>
    %pool1_tap11 = stablehlo.slice %conv2_relu_y [0:128:1, 1:28:2, 1:28:2, 0:32:1] : (tensor<128x28x28x32xf32>) -> tensor<128x14x14x32xf32>
    %pool1_max1 = stablehlo.maximum %pool1_tap00, %pool1_tap01 : tensor<128x14x14x32xf32>
    %pool1_max2 = stablehlo.maximum %pool1_max1, %pool1_tap10 : tensor<128x14x14x32xf32>
    %pool1_max3 = stablehlo.maximum %pool1_max2, %pool1_tap11 : tensor<128x14x14x32xf32>
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
    %c_1em05_64 = stablehlo.constant dense<1.0e-05> : tensor<64xf32>
    %conv3_bn_var_eps = stablehlo.add %conv3_var, %c_1em05_64 : tensor<64xf32>
    %conv3_bn_std = stablehlo.sqrt %conv3_bn_var_eps : tensor<64xf32>
    %c_1_64 = stablehlo.constant dense<1.0> : tensor<64xf32>
    %conv3_bn_istd = stablehlo.divide %c_1_64, %conv3_bn_std : tensor<64xf32>
    %conv3_bn_mean_pixels = stablehlo.broadcast_in_dim %conv3_mean, dims = [3] : (tensor<64xf32>) -> tensor<128x14x14x64xf32>
    %conv3_bn_centred = stablehlo.subtract %conv3_y, %conv3_bn_mean_pixels : tensor<128x14x14x64xf32>
    %conv3_bn_istd_pixels = stablehlo.broadcast_in_dim %conv3_bn_istd, dims = [3] : (tensor<64xf32>) -> tensor<128x14x14x64xf32>
    %conv3_bn_xhat = stablehlo.multiply %conv3_bn_centred, %conv3_bn_istd_pixels : tensor<128x14x14x64xf32>
    %conv3_bn_gamma_pixels = stablehlo.broadcast_in_dim %conv3_gamma, dims = [3] : (tensor<64xf32>) -> tensor<128x14x14x64xf32>
    %conv3_bn_scaled = stablehlo.multiply %conv3_bn_xhat, %conv3_bn_gamma_pixels : tensor<128x14x14x64xf32>
    %conv3_bn_beta_pixels = stablehlo.broadcast_in_dim %conv3_beta, dims = [3] : (tensor<64xf32>) -> tensor<128x14x14x64xf32>
    %conv3_bn_y = stablehlo.add %conv3_bn_scaled, %conv3_bn_beta_pixels : tensor<128x14x14x64xf32>
    %c_0_128_14_14_64 = stablehlo.constant dense<0.0> : tensor<128x14x14x64xf32>
    %conv3_relu_y = stablehlo.maximum %conv3_bn_y, %c_0_128_14_14_64 : tensor<128x14x14x64xf32>
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
    %conv4_bn_var_eps = stablehlo.add %conv4_var, %c_1em05_64 : tensor<64xf32>
    %conv4_bn_std = stablehlo.sqrt %conv4_bn_var_eps : tensor<64xf32>
    %conv4_bn_istd = stablehlo.divide %c_1_64, %conv4_bn_std : tensor<64xf32>
    %conv4_bn_mean_pixels = stablehlo.broadcast_in_dim %conv4_mean, dims = [3] : (tensor<64xf32>) -> tensor<128x14x14x64xf32>
    %conv4_bn_centred = stablehlo.subtract %conv4_y, %conv4_bn_mean_pixels : tensor<128x14x14x64xf32>
    %conv4_bn_istd_pixels = stablehlo.broadcast_in_dim %conv4_bn_istd, dims = [3] : (tensor<64xf32>) -> tensor<128x14x14x64xf32>
    %conv4_bn_xhat = stablehlo.multiply %conv4_bn_centred, %conv4_bn_istd_pixels : tensor<128x14x14x64xf32>
    %conv4_bn_gamma_pixels = stablehlo.broadcast_in_dim %conv4_gamma, dims = [3] : (tensor<64xf32>) -> tensor<128x14x14x64xf32>
    %conv4_bn_scaled = stablehlo.multiply %conv4_bn_xhat, %conv4_bn_gamma_pixels : tensor<128x14x14x64xf32>
    %conv4_bn_beta_pixels = stablehlo.broadcast_in_dim %conv4_beta, dims = [3] : (tensor<64xf32>) -> tensor<128x14x14x64xf32>
    %conv4_bn_y = stablehlo.add %conv4_bn_scaled, %conv4_bn_beta_pixels : tensor<128x14x14x64xf32>
    %conv4_relu_y = stablehlo.maximum %conv4_bn_y, %c_0_128_14_14_64 : tensor<128x14x14x64xf32>
    %pool2_tap00 = stablehlo.slice %conv4_relu_y [0:128:1, 0:13:2, 0:13:2, 0:64:1] : (tensor<128x14x14x64xf32>) -> tensor<128x7x7x64xf32>
    %pool2_tap01 = stablehlo.slice %conv4_relu_y [0:128:1, 0:13:2, 1:14:2, 0:64:1] : (tensor<128x14x14x64xf32>) -> tensor<128x7x7x64xf32>
    %pool2_tap10 = stablehlo.slice %conv4_relu_y [0:128:1, 1:14:2, 0:13:2, 0:64:1] : (tensor<128x14x14x64xf32>) -> tensor<128x7x7x64xf32>
    %pool2_tap11 = stablehlo.slice %conv4_relu_y [0:128:1, 1:14:2, 1:14:2, 0:64:1] : (tensor<128x14x14x64xf32>) -> tensor<128x7x7x64xf32>
    %pool2_max1 = stablehlo.maximum %pool2_tap00, %pool2_tap01 : tensor<128x7x7x64xf32>
    %pool2_max2 = stablehlo.maximum %pool2_max1, %pool2_tap10 : tensor<128x7x7x64xf32>
    %pool2_max3 = stablehlo.maximum %pool2_max2, %pool2_tap11 : tensor<128x7x7x64xf32>
    %flatten1_nchw = stablehlo.transpose %pool2_max3, dims = [0, 3, 1, 2] : (tensor<128x7x7x64xf32>) -> tensor<128x64x7x7xf32>
    %flatten1_y = stablehlo.reshape %flatten1_nchw : (tensor<128x64x7x7xf32>) -> tensor<128x3136xf32>
    %dense1_x_blocks = stablehlo.reshape %flatten1_y : (tensor<128x3136xf32>) -> tensor<128x7x448xf32>
    %dense1_w_blocks = stablehlo.reshape %dense1_w : (tensor<3136x512xf32>) -> tensor<7x448x512xf32>
    %dense1_xw_blocks = stablehlo.dot_general %dense1_x_blocks, %dense1_w_blocks, batching_dims = [1] x [0], contracting_dims = [2] x [1] : (tensor<128x7x448xf32>, tensor<7x448x512xf32>) -> tensor<7x128x512xf32>
    %c_0 = stablehlo.constant dense<0.0> : tensor<f32>
    %dense1_xw = stablehlo.reduce(%dense1_xw_blocks init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<7x128x512xf32>, tensor<f32>) -> tensor<128x512xf32>
    %dense1_b_rows = stablehlo.broadcast_in_dim %dense1_b, dims = [1] : (tensor<512xf32>) -> tensor<128x512xf32>
    %dense1_y = stablehlo.add %dense1_xw, %dense1_b_rows : tensor<128x512xf32>
    %c_0_128_512 = stablehlo.constant dense<0.0> : tensor<128x512xf32>
    %dense1_relu_y = stablehlo.maximum %dense1_y, %c_0_128_512 : tensor<128x512xf32>
    %dense2_xw = stablehlo.dot_general %dense1_relu_y, %dense2_w, contracting_dims = [1] x [0] : (tensor<128x512xf32>, tensor<512x10xf32>) -> tensor<128x10xf32>
    %dense2_b_rows = stablehlo.broadcast_in_dim %dense2_b, dims = [1] : (tensor<10xf32>) -> tensor<128x10xf32>
    %dense2_y = stablehlo.add %dense2_xw, %dense2_b_rows : tensor<128x10xf32>
    return %dense2_y : tensor<128x10xf32>
  }
}
