#pragma once

#include <google/protobuf/descriptor.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "common/api/kinds.h"

namespace xpu::api {

// The kinds of a descriptor set, with the comments of their sources.
class Declarations {
 public:
  // `descriptor_set` is a serialised FileDescriptorSet with imports and source info, as protoc writes it.
  // InvalidArgument if it is none.
  static absl::StatusOr<Declarations> Read(const std::string& descriptor_set);

  // In the order of their names; kinds of the core group are Kubernetes' own and left out.
  const std::vector<KindInfo>& kinds() const { return kinds_; }

 private:
  std::unique_ptr<google::protobuf::DescriptorPool> pool_;
  std::vector<KindInfo> kinds_;
};

// The comment before a declaration as one paragraph; empty if there is none.
std::string CommentOf(const google::protobuf::Descriptor& message);
std::string CommentOf(const google::protobuf::FieldDescriptor& field);

}  // namespace xpu::api
