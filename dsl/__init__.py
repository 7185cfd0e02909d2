"""Text -> Program: reads YAML and `.qmtl`, checks them and lowers them to an immutable, hashed `Program`.

Never imports the engine, numpy, pandas, onnxruntime or alpaca, and reads files only (no clock, network or environment).
"""
