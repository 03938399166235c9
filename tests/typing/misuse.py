"""Wrong uses of the public API: mypy and pyright must report each line that ends in `# error`, and
no other.
"""

import warmstart as ws

classifier = ws.ImageClassifier.load("mobilenet_v2")
classifier("a.jpg", top_q=3)  # error
classifier("a.jpg", top_k="3")  # error
classifier("a.jpg", 3)  # error
classifier(("a.jpg", "b.jpg"))  # error
classifier(3)  # error
print(classifier("a.jpg").labell)  # error
print(classifier(["a.jpg"])[0].label)  # error
classifier.stream("photos/", top_k=None)  # error
ws.ImageClassifier.load("mobilenet_v2", precison="int8")  # error
ws.load("mobilenet_v2", task="image-classification", engine="tflite")  # error
ws.QuestionAnswerer.load("x")("who?")  # error
ws.Forecaster.load("x")([1.0, 2.0], horizon="3")  # error
ws.finetune("bert", "a.csv", task="text-classification", augment=True)  # error
ws.finetune("mobilenet_v2", "photos/", task="image-classification", epochs="3")  # error
ws.finetune("mobilenet_v2", 3, task="image-classification")  # error
ws.finetune("mobilenet_v2", "a/", task="image-classification", class_weight="even")  # error
ws.pick(None)  # error
classifier.evaluate(3)  # error
