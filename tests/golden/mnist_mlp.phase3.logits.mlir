// MNIST-MLP: logits in f32.
// netspec 09940aeb032c02e4a740b28e08016953b6a08541f6d71e9df6593e44292d058e
module @logits {
  func.func @logits(
    %dense1_w: tensor<784x512xf32>,
    %dense1_b: tensor<512xf32>,
    %dense2_w: tensor<512x512xf32>,
    %dense2_b: tensor<512xf32>,
    %dense3_w: tensor<512x10xf32>,
    %dense3_b: tensor<10xf32>,
    %x: tensor<128x784xf32>
  ) -> (tensor<128x10xf32>) {
    %dense1_x_blocks = stablehlo.reshape %x : (tensor<128x784xf32>) -> tensor<128x2x392xf32>
    %dense1_w_blocks = stablehlo.reshape %dense1_w : (tensor<784x512xf32>) -> tensor<2x392x512xf32>
    %dense1_xw_blocks = stablehlo.dot_general %dense1_x_blocks, %dense1_w_blocks, batching_dims = [1] x [0], contracting_dims = [2] x [1] : (tensor<128x2x392xf32>, tensor<2x392x512xf32>) -> tensor<2x128x512xf32>
    %c_0 = stablehlo.constant dense<0.0> : tensor<f32>
    %dense1_xw = stablehlo.reduce(%dense1_xw_blocks init: %c_0) applies stablehlo.add across dimensions = [0] : (tensor<2x128x512xf32>, tensor<f32>) -> tensor<128x512xf32>
    %dense1_b_rows = stablehlo.broadcast_in_dim %dense1_b, dims = [1] : (tensor<512xf32>) -> tensor<128x512xf32>
    %dense1_y = stablehlo.add %dense1_xw, %dense1_b_rows : tensor<128x512xf32>
    %c_0_128_512 = stablehlo.constant dense<0.0> : tensor<128x512xf32>
    %dense1_relu_y = stablehlo.maximum %dense1_y, %c_0_128_512 : tensor<128x512xf32>
    %dense2_xw = stablehlo.dot_general %dense1_relu_y, %dense2_w, contracting_dims = [1] x [0] : (tensor<128x512xf32>, tensor<512x512xf32>) -> tensor<128x512xf32>
    %dense2_b_rows = stablehlo.broadcast_in_dim %dense2_b, dims = [1] : (tensor<512xf32>) -> tensor<128x512xf32>
    %dense2_y = stablehlo.add %dense2_xw, %dense2_b_rows : tensor<128x512xf32>
    %dense2_relu_y = stablehlo.maximum %dense2_y, %c_0_128_512 : tensor<128x512xf32>
    %dense3_xw = stablehlo.dot_general %dense2_relu_y, %dense3_w, contracting_dims = [1] x [0] : (tensor<128x512xf32>, tensor<512x10xf32>) -> tensor<128x10xf32>
    %dense3_b_rows = stablehlo.broadcast_in_dim %dense3_b, dims = [1] : (tensor<10xf32>) -> tensor<128x10xf32>
    %dense3_y = stablehlo.add %dense3_xw, %dense3_b_rows : tensor<128x10xf32>
    return %dense3_y : tensor<128x10xf32>
  }
}
