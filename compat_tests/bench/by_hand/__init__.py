"""Decoders and encoders written by hand for one version of three APIs: what the compiled ones are measured against.

They are as fast as their author could make them and do no more than they must: slotted dataclasses, one `struct` call
for each run of fixed fields, lengths checked against the bytes left, tagged fields skipped. Produce v9, Fetch v12 and
Metadata v9 are flexible versions whose fields every client still speaks.
"""
