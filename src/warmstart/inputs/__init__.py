"""From files and objects to arrays: no TensorFlow on this floor.

    reading      one item -> an open binary file: path, URL, bytes, file object
    image        one item -> an upright 8-bit RGB picture
    items        whatever the caller gave -> single items: lists, generators, batches, folders, glob patterns
    preprocess   a picture -> the float32 array a network was trained on
    stream       the two above in threads, in order, ahead of the engine, in bounded memory
    text         texts -> token ids and back; `vocabularies` builds the tokenizer from the files of a repository
    text_items   whatever the caller gave -> single texts and pairs: lists, generators, files of lines

Nothing is imported here: `warmstart list` needs no Pillow.
"""
