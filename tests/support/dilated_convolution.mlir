// The gradient of a convolution of stride 2 with respect to its images, and what is done with it.
// IREE 3.13 computes wrong pixels when a convolution that pads has images with gaps, channels last.
func.func @backward(%x: tensor<2x8x8x4xf32>, %w: tensor<3x3x4x4xf32>, %dy: tensor<2x4x4x4xf32>)
    -> (tensor<2x8x8x4xf32>, tensor<f32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %zeros = stablehlo.constant dense<0.0> : tensor<2x8x8x4xf32>
  %slope = stablehlo.tanh %dy : tensor<2x4x4x4xf32>
  %gaps = stablehlo.pad %slope, %zero, low = [0, 0, 0, 0], high = [0, 1, 1, 0], interior = [0, 1, 1, 0]
    : (tensor<2x4x4x4xf32>, tensor<f32>) -> tensor<2x8x8x4xf32>
  %flipped = stablehlo.reverse %w, dims = [0, 1] : tensor<3x3x4x4xf32>
  %dx = stablehlo.convolution(%gaps, %flipped)
    dim_numbers = [b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f], window = {stride = [1, 1], pad = [[1, 1], [1, 1]]}
    {batch_group_count = 1 : i64, feature_group_count = 1 : i64}
    : (tensor<2x8x8x4xf32>, tensor<3x3x4x4xf32>) -> tensor<2x8x8x4xf32>
  %alive = stablehlo.compare GT, %x, %zeros, FLOAT : (tensor<2x8x8x4xf32>, tensor<2x8x8x4xf32>) -> tensor<2x8x8x4xi1>
  %g = stablehlo.select %alive, %dx, %zeros : tensor<2x8x8x4xi1>, tensor<2x8x8x4xf32>
  %square = stablehlo.multiply %g, %g : tensor<2x8x8x4xf32>
  %sum = stablehlo.reduce(%square init: %zero) applies stablehlo.add across dimensions = [0, 1, 2, 3]
    : (tensor<2x8x8x4xf32>, tensor<f32>) -> tensor<f32>
  %norm = stablehlo.sqrt %sum : tensor<f32>
  return %g, %norm : tensor<2x8x8x4xf32>, tensor<f32>
}
