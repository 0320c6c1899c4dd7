// One step of gradient descent: 784 -> 512 -> 512 -> 10, ReLU, cross-entropy of one-hot labels, batch 32.
module @mlp {
  func.func @train_step(
      %x: tensor<32x784xf32>,
      %W0: tensor<784x512xf32>, %b0: tensor<512xf32>,
      %W1: tensor<512x512xf32>, %b1: tensor<512xf32>,
      %W2: tensor<512x10xf32>, %b2: tensor<10xf32>,
      %onehot: tensor<32x10xf32>, %lr: tensor<f32>)
      -> (tensor<784x512xf32>, tensor<512xf32>, tensor<512x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>, tensor<f32>) {
    %zero = stablehlo.constant dense<0.0> : tensor<f32>
    %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
    %zeros = stablehlo.constant dense<0.0> : tensor<32x512xf32>
    %mean = stablehlo.constant dense<0.03125> : tensor<32x10xf32>

    // Forward.
    %xW0 = stablehlo.dot_general %x, %W0, contracting_dims = [1] x [0] : (tensor<32x784xf32>, tensor<784x512xf32>) -> tensor<32x512xf32>
    %b0r = stablehlo.broadcast_in_dim %b0, dims = [1] : (tensor<512xf32>) -> tensor<32x512xf32>
    %h0 = stablehlo.add %xW0, %b0r : tensor<32x512xf32>
    %a0 = stablehlo.maximum %h0, %zeros : tensor<32x512xf32>
    %aW1 = stablehlo.dot_general %a0, %W1, contracting_dims = [1] x [0] : (tensor<32x512xf32>, tensor<512x512xf32>) -> tensor<32x512xf32>
    %b1r = stablehlo.broadcast_in_dim %b1, dims = [1] : (tensor<512xf32>) -> tensor<32x512xf32>
    %h1 = stablehlo.add %aW1, %b1r : tensor<32x512xf32>
    %a1 = stablehlo.maximum %h1, %zeros : tensor<32x512xf32>
    %aW2 = stablehlo.dot_general %a1, %W2, contracting_dims = [1] x [0] : (tensor<32x512xf32>, tensor<512x10xf32>) -> tensor<32x10xf32>
    %b2r = stablehlo.broadcast_in_dim %b2, dims = [1] : (tensor<10xf32>) -> tensor<32x10xf32>
    %z = stablehlo.add %aW2, %b2r : tensor<32x10xf32>

    // Loss: the mean of log sum exp z - z[label], and p - onehot, its gradient by z.
    %top = stablehlo.reduce(%z init: %low) applies stablehlo.maximum across dimensions = [1] : (tensor<32x10xf32>, tensor<f32>) -> tensor<32xf32>
    %topr = stablehlo.broadcast_in_dim %top, dims = [0] : (tensor<32xf32>) -> tensor<32x10xf32>
    %s = stablehlo.subtract %z, %topr : tensor<32x10xf32>
    %e = stablehlo.exponential %s : tensor<32x10xf32>
    %sum = stablehlo.reduce(%e init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<32x10xf32>, tensor<f32>) -> tensor<32xf32>
    %sumr = stablehlo.broadcast_in_dim %sum, dims = [0] : (tensor<32xf32>) -> tensor<32x10xf32>
    %log = stablehlo.log %sumr : tensor<32x10xf32>
    %logp = stablehlo.subtract %s, %log : tensor<32x10xf32>
    %picked = stablehlo.multiply %logp, %onehot : tensor<32x10xf32>
    %scaled = stablehlo.multiply %picked, %mean : tensor<32x10xf32>
    %total = stablehlo.reduce(%scaled init: %zero) applies stablehlo.add across dimensions = [0, 1] : (tensor<32x10xf32>, tensor<f32>) -> tensor<f32>
    %loss = stablehlo.negate %total : tensor<f32>
    %p = stablehlo.divide %e, %sumr : tensor<32x10xf32>
    %excess = stablehlo.subtract %p, %onehot : tensor<32x10xf32>
    %dz = stablehlo.multiply %excess, %mean : tensor<32x10xf32>

    // Backward.
    %dW2 = stablehlo.dot_general %a1, %dz, contracting_dims = [0] x [0] : (tensor<32x512xf32>, tensor<32x10xf32>) -> tensor<512x10xf32>
    %db2 = stablehlo.reduce(%dz init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<32x10xf32>, tensor<f32>) -> tensor<10xf32>
    %da1 = stablehlo.dot_general %dz, %W2, contracting_dims = [1] x [1] : (tensor<32x10xf32>, tensor<512x10xf32>) -> tensor<32x512xf32>
    %on1 = stablehlo.compare GT, %h1, %zeros : (tensor<32x512xf32>, tensor<32x512xf32>) -> tensor<32x512xi1>
    %dh1 = stablehlo.select %on1, %da1, %zeros : tensor<32x512xi1>, tensor<32x512xf32>
    %dW1 = stablehlo.dot_general %a0, %dh1, contracting_dims = [0] x [0] : (tensor<32x512xf32>, tensor<32x512xf32>) -> tensor<512x512xf32>
    %db1 = stablehlo.reduce(%dh1 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<32x512xf32>, tensor<f32>) -> tensor<512xf32>
    %da0 = stablehlo.dot_general %dh1, %W1, contracting_dims = [1] x [1] : (tensor<32x512xf32>, tensor<512x512xf32>) -> tensor<32x512xf32>
    %on0 = stablehlo.compare GT, %h0, %zeros : (tensor<32x512xf32>, tensor<32x512xf32>) -> tensor<32x512xi1>
    %dh0 = stablehlo.select %on0, %da0, %zeros : tensor<32x512xi1>, tensor<32x512xf32>
    %dW0 = stablehlo.dot_general %x, %dh0, contracting_dims = [0] x [0] : (tensor<32x784xf32>, tensor<32x512xf32>) -> tensor<784x512xf32>
    %db0 = stablehlo.reduce(%dh0 init: %zero) applies stablehlo.add across dimensions = [0] : (tensor<32x512xf32>, tensor<f32>) -> tensor<512xf32>

    // W - lr dW.
    %lrW0 = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<784x512xf32>
    %lrb0 = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<512xf32>
    %lrW1 = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<512x512xf32>
    %lrW2 = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<512x10xf32>
    %lrb2 = stablehlo.broadcast_in_dim %lr, dims = [] : (tensor<f32>) -> tensor<10xf32>
    %mW0 = stablehlo.multiply %lrW0, %dW0 : tensor<784x512xf32>
    %mb0 = stablehlo.multiply %lrb0, %db0 : tensor<512xf32>
    %mW1 = stablehlo.multiply %lrW1, %dW1 : tensor<512x512xf32>
    %mb1 = stablehlo.multiply %lrb0, %db1 : tensor<512xf32>
    %mW2 = stablehlo.multiply %lrW2, %dW2 : tensor<512x10xf32>
    %mb2 = stablehlo.multiply %lrb2, %db2 : tensor<10xf32>
    %W0n = stablehlo.subtract %W0, %mW0 : tensor<784x512xf32>
    %b0n = stablehlo.subtract %b0, %mb0 : tensor<512xf32>
    %W1n = stablehlo.subtract %W1, %mW1 : tensor<512x512xf32>
    %b1n = stablehlo.subtract %b1, %mb1 : tensor<512xf32>
    %W2n = stablehlo.subtract %W2, %mW2 : tensor<512x10xf32>
    %b2n = stablehlo.subtract %b2, %mb2 : tensor<10xf32>
    return %W0n, %b0n, %W1n, %b1n, %W2n, %b2n, %loss
      : tensor<784x512xf32>, tensor<512xf32>, tensor<512x512xf32>, tensor<512xf32>, tensor<512x10xf32>, tensor<10xf32>, tensor<f32>
  }
}
