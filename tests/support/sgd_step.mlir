// One step of gradient descent: 12 -> 6 -> 3, ReLU, cross-entropy of one-hot labels, batch 8.
module @sgd {
  func.func @train_step(%x: tensor<8x12xf32>, %W0: tensor<12x6xf32>, %b0: tensor<6xf32>, %W1: tensor<6x3xf32>,
                        %onehot: tensor<8x3xf32>, %lr: tensor<f32>)
      -> (tensor<12x6xf32>, tensor<6xf32>, tensor<6x3xf32>, tensor<f32>) {
    %zero = stablehlo.constant dense<0.0> : tensor<f32>
    %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %zeros = stablehlo.constant dense<0.0> : tensor<8x6xf32>
    %eighth = stablehlo.constant dense<0.125> : tensor<8x3xf32>
    %h0 = stablehlo.dot_general %x, %W0, contracting_dims = [1] x [0] : (tensor<8x12xf32>, tensor<12x6xf32>) -> tensor<8x6xf32>
    %b0r = stablehlo.broadcast_in_dim %b0, dims = [1] : (tensor<6xf32>) -> tensor<8x6xf32>
    %h = stablehlo.add %h0, %b0r : tensor<8x6xf32>
    %a = stablehlo.maximum %h, %zeros : tensor<8x6xf32>
    %z = stablehlo.dot_general %a, %W1, contracting_dims = [1] x [0] : (tensor<8x6xf32>, tensor<6x3xf32>) -> tensor<8x3xf32>
    %top = stablehlo.reduce(%z init: %low) applies stablehlo.maximum across dimensions = [1] : (tensor<8x3xf32>, tensor<f32>) -> tensor<8xf32>
    %topr = stablehlo.broadcast_in_dim %top, dims = [0] : (tensor<8xf32>) -> tensor<8x3xf32>
    %s = stablehlo.subtract %z, %topr : tensor<8x3xf32>
    %e = stablehlo.exponential %s : tensor<8x3xf32>
    %sum = stablehlo.reduce(%e init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<8x3xf32>, tensor<f32>) -> tensor<8xf32>
    %sumr = stablehlo.broadcast_in_dim %sum, dims = [0] : (tensor<8xf32>) -> tensor<8x3xf32>
    %logs = stablehlo.log %sumr : tensor<8x3xf32>
    %logp = stablehlo.subtract %s, %logs : tensor<8x3xf32>
    %picked = stablehlo.multiply %logp, %onehot : tensor<8x3xf32>
    %scaled = stablehlo.multiply %picked, %eighth : tensor<8x3xf32>
    %total = stablehlo.reduce(%scaled init: %zero) applies stablehlo.add across dimensions = [0, 1] : (tensor<8x3xf32>, tensor<f32>) -> tensor<f32>
    %loss = stablehlo.negate %total : tensor<f32>
    %p = stablehlo.divide %e, %sumr : tensor<8x3xf32>
    %excess = stablehlo.subtract %p, %onehot : tensor<8x3xf32>
    %dz = stablehlo.multiply %excess, %eighth : tensor<8x3xf32>
    %dW1 = stablehlo.dot_general %a, %dz, contracting_dims = [0] x [0] : (tensor<8x6xf32>, tensor<8x3xf32>) -> tensor<6x3xf32>
    %da = stablehlo.dot_general %dz, %W1, contracting_dims = [1] x [1] : (tensor<8x3xf32>, tensor<6x3xf32>) -> tensor<8x6xf32>
    %on = stablehlo.compare GT, %h, %zeros : (tensor<8x6xf32>, tensor<8x6xf32>) -> tensor<8x6xi1>
    %dh = stablehlo.select %on, %da, %zeros : tensor<8x6xi1>, tensor<8x6xf32>
    %dW0 = stablehlo.dot_general %x, %dh, contracting_dims = [0] x [0] : (tensor<8x12xf32>, tensor<8x6xf32>) -> tensor<12x6xf32>
    %db0 = stablehlo.reduce(%dh init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<8x6xf32>, tensor<f32>) -> tensor<6xf32>
    %lrW0 = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<12x6xf32>
    %lrb0 = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<6xf32>
    %lrW1 = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<6x3xf32>
    %mW0 = stablehlo.multiply %lrW0, %dW0 : tensor<12x6xf32>
    %mb0 = stablehlo.multiply %lrb0, %db0 : tensor<6xf32>
    %mW1 = stablehlo.multiply %lrW1, %dW1 : tensor<6x3xf32>
    %W0n = stablehlo.subtract %W0, %mW0 : tensor<12x6xf32>
    %b0n = stablehlo.subtract %b0, %mb0 : tensor<6xf32>
    %W1n = stablehlo.subtract %W1, %mW1 : tensor<6x3xf32>
    return %W0n, %b0n, %W1n, %loss : tensor<12x6xf32>, tensor<6xf32>, tensor<6x3xf32>, tensor<f32>
  }
}
