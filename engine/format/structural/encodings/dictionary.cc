// SPDX-License-Identifier: Apache-2.0
//
// dictionary (docs/lance/file.md 3.10): as a block of 2.3: 32-bit indices and the integers that they
// mean. (The dictionary of a page's strings is no encoding but a part of the page.)
#include "engine/format/structural/encodings/encodings.h"

namespace lancefs::structural {
namespace {

constexpr uint64_t kMaxItems = 4096;  // of the format

class DictionaryBlock final : public BlockCodec {
 public:
  DictionaryBlock(std::unique_ptr<BlockCodec> indices, std::unique_ptr<BlockCodec> items, uint64_t num_items)
      : BlockCodec(items->bits()), indices_(std::move(indices)), items_(std::move(items)), num_items_(num_items) {}

  bool has_payload() const override { return indices_->has_payload() || items_->has_payload(); }

  bool Plausible(size_t size, uint64_t count) const override { return indices_->Plausible(size, count); }

 protected:
  Status DecodeFixed(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const override;

 private:
  std::unique_ptr<BlockCodec> indices_;
  std::unique_ptr<BlockCodec> items_;
  uint64_t num_items_ = 0;
};

Status DictionaryBlock::DecodeFixed(std::span<const uint8_t> in, uint64_t count, uint8_t* out) const {
  std::span<const uint8_t> parts[2];
  if (has_payload()) {
    ByteReader reader(in);
    uint64_t sizes[2] = {0, 0};
    for (uint64_t& size : sizes) LANCEFS_RETURN_NOT_OK(reader.Read(&size));
    for (int i = 0; i < 2; ++i) LANCEFS_RETURN_NOT_OK(reader.ReadSpan(sizes[i], &parts[i]));
    if (reader.remaining() != 0) return Status::Corruption("a dictionary block is longer than its parts");
  }
  LANCEFS_ASSIGN_OR_RETURN(const std::vector<uint64_t> items, DecodeWords(*items_, parts[1], num_items_));
  Block indices;
  LANCEFS_RETURN_NOT_OK(indices_->Decode(parts[0], count, &indices));
  return ForWord(bits_, [&]<typename T>(T) -> Status {
    for (uint64_t i = 0; i < count; ++i) {
      const auto index = LoadLittleEndian<uint32_t>(indices.data.data() + i * 4);
      if (index >= items.size()) return Status::Corruption("an index of a dictionary block is out of range");
      StoreLittleEndian<T>(out + i * sizeof(T), static_cast<T>(items[index]));
    }
    return Status::OK();
  });
}

}  // namespace

BlockResult MakeDictionaryBlock(const pb::v21::Dictionary& encoding, int depth) {
  LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<BlockCodec> indices, BlockCodec::Make(encoding.indices(), depth + 1));
  LANCEFS_ASSIGN_OR_RETURN(std::unique_ptr<BlockCodec> items, BlockCodec::Make(encoding.items(), depth + 1));
  const uint64_t num_items = encoding.num_dictionary_items();
  if (indices->bits() != 32 || (items->bits() != 32 && items->bits() != 64) || num_items == 0 || num_items > kMaxItems)
    return Status::Corruption("a dictionary block of " + std::to_string(num_items) + " " + std::to_string(items->bits()) +
                              "-bit items");
  return std::unique_ptr<BlockCodec>(std::make_unique<DictionaryBlock>(std::move(indices), std::move(items), num_items));
}

}  // namespace lancefs::structural
