// A training step, SGD, of tokens that are centred over their places, added up and classified.
// IREE 3.13 for Vulkan reads the sums of the centring before they are there, forward and backward.
func.func @train_step(%x: tensor<2x128x64xf32>, %gain: tensor<64xf32>, %W: tensor<64x10xf32>,
                      %onehot: tensor<2x10xf32>, %lr: tensor<f32>)
    -> (tensor<64xf32>, tensor<64x10xf32>, tensor<f32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %lowest = stablehlo.constant dense<0xFF800000> : tensor<f32>
  %share = stablehlo.constant dense<0.0078125> : tensor<2x128x64xf32>
  %ones = stablehlo.constant dense<1.0> : tensor<2x128x64xf32>
  %half = stablehlo.constant dense<0.5> : tensor<2x10xf32>
  %minus = stablehlo.constant dense<-0.5> : tensor<f32>
  %gains = stablehlo.broadcast_in_dim %gain, dims = [2] : (tensor<64xf32>) -> tensor<2x128x64xf32>
  %h = stablehlo.multiply %x, %gains : tensor<2x128x64xf32>
  %shares = stablehlo.multiply %h, %share : tensor<2x128x64xf32>
  %mean = stablehlo.reduce(%shares init: %zero) applies stablehlo.add across dimensions = [1]
    : (tensor<2x128x64xf32>, tensor<f32>) -> tensor<2x64xf32>
  %means = stablehlo.broadcast_in_dim %mean, dims = [0, 2] : (tensor<2x64xf32>) -> tensor<2x128x64xf32>
  %c = stablehlo.subtract %h, %means : tensor<2x128x64xf32>
  %a = stablehlo.tanh %c : tensor<2x128x64xf32>
  %pooled = stablehlo.reduce(%a init: %zero) applies stablehlo.add across dimensions = [1]
    : (tensor<2x128x64xf32>, tensor<f32>) -> tensor<2x64xf32>
  %z = stablehlo.dot_general %pooled, %W, contracting_dims = [1] x [0] : (tensor<2x64xf32>, tensor<64x10xf32>) -> tensor<2x10xf32>
  %top = stablehlo.reduce(%z init: %lowest) applies stablehlo.maximum across dimensions = [1]
    : (tensor<2x10xf32>, tensor<f32>) -> tensor<2xf32>
  %tops = stablehlo.broadcast_in_dim %top, dims = [0] : (tensor<2xf32>) -> tensor<2x10xf32>
  %below = stablehlo.subtract %z, %tops : tensor<2x10xf32>
  %e = stablehlo.exponential %below : tensor<2x10xf32>
  %s = stablehlo.reduce(%e init: %zero) applies stablehlo.add across dimensions = [1]
    : (tensor<2x10xf32>, tensor<f32>) -> tensor<2xf32>
  %ss = stablehlo.broadcast_in_dim %s, dims = [0] : (tensor<2xf32>) -> tensor<2x10xf32>
  %p = stablehlo.divide %e, %ss : tensor<2x10xf32>
  %logp = stablehlo.log %p : tensor<2x10xf32>
  %picked = stablehlo.multiply %logp, %onehot : tensor<2x10xf32>
  %sum = stablehlo.reduce(%picked init: %zero) applies stablehlo.add across dimensions = [0, 1]
    : (tensor<2x10xf32>, tensor<f32>) -> tensor<f32>
  %loss = stablehlo.multiply %sum, %minus : tensor<f32>
  %off = stablehlo.subtract %p, %onehot : tensor<2x10xf32>
  %dz = stablehlo.multiply %off, %half : tensor<2x10xf32>
  %dW = stablehlo.dot_general %pooled, %dz, contracting_dims = [0] x [0] : (tensor<2x64xf32>, tensor<2x10xf32>) -> tensor<64x10xf32>
  %dpooled = stablehlo.dot_general %dz, %W, contracting_dims = [1] x [1] : (tensor<2x10xf32>, tensor<64x10xf32>) -> tensor<2x64xf32>
  %da = stablehlo.broadcast_in_dim %dpooled, dims = [0, 2] : (tensor<2x64xf32>) -> tensor<2x128x64xf32>
  %aa = stablehlo.multiply %a, %a : tensor<2x128x64xf32>
  %slope = stablehlo.subtract %ones, %aa : tensor<2x128x64xf32>
  %dc = stablehlo.multiply %da, %slope : tensor<2x128x64xf32>
  %dshares = stablehlo.multiply %dc, %share : tensor<2x128x64xf32>
  %dmean = stablehlo.reduce(%dshares init: %zero) applies stablehlo.add across dimensions = [1]
    : (tensor<2x128x64xf32>, tensor<f32>) -> tensor<2x64xf32>
  %dmeans = stablehlo.broadcast_in_dim %dmean, dims = [0, 2] : (tensor<2x64xf32>) -> tensor<2x128x64xf32>
  %dh = stablehlo.subtract %dc, %dmeans : tensor<2x128x64xf32>
  %dgains = stablehlo.multiply %dh, %x : tensor<2x128x64xf32>
  %dgain = stablehlo.reduce(%dgains init: %zero) applies stablehlo.add across dimensions = [0, 1]
    : (tensor<2x128x64xf32>, tensor<f32>) -> tensor<64xf32>
  %lr_gain = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<64xf32>
  %move_gain = stablehlo.multiply %lr_gain, %dgain : tensor<64xf32>
  %gain_new = stablehlo.subtract %gain, %move_gain : tensor<64xf32>
  %lr_W = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<64x10xf32>
  %move_W = stablehlo.multiply %lr_W, %dW : tensor<64x10xf32>
  %W_new = stablehlo.subtract %W, %move_W : tensor<64x10xf32>
  return %gain_new, %W_new, %loss : tensor<64xf32>, tensor<64x10xf32>, tensor<f32>
}
