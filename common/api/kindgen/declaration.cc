#include "common/api/kindgen/declaration.h"

#include <google/protobuf/descriptor.pb.h>

#include <algorithm>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "xpu/api/v1alpha1/options.pb.h"

namespace xpu::api {
namespace {

using google::protobuf::FileDescriptor;
using google::protobuf::SourceLocation;

std::string Paragraph(const std::string& comment) {
  std::vector<std::string> words = absl::StrSplit(comment, absl::ByAnyChar(" \n\t"), absl::SkipEmpty());
  return absl::StrJoin(words, " ");
}

template <class T>
std::string Comment(const T& declaration) {
  SourceLocation location;
  if (!declaration.GetSourceLocation(&location)) return "";
  return Paragraph(location.leading_comments);
}

}  // namespace

std::string CommentOf(const google::protobuf::Descriptor& message) { return Comment(message); }
std::string CommentOf(const google::protobuf::FieldDescriptor& field) { return Comment(field); }

absl::StatusOr<Declarations> Declarations::Read(const std::string& descriptor_set) {
  google::protobuf::FileDescriptorSet set;
  if (!set.ParseFromString(descriptor_set)) return absl::InvalidArgumentError("this is not a descriptor set");
  Declarations out;
  out.pool_ = std::make_unique<google::protobuf::DescriptorPool>();
  for (const google::protobuf::FileDescriptorProto& proto : set.file()) {
    const FileDescriptor* file = out.pool_->BuildFile(proto);
    if (file == nullptr) {
      return absl::InvalidArgumentError("the descriptor set lacks what " + proto.name() +
                                        " imports; make it with protoc --include_imports");
    }
    for (int i = 0; i < file->message_type_count(); ++i) {
      const google::protobuf::Descriptor& message = *file->message_type(i);
      const v1alpha1::KindOptions& options = message.options().GetExtension(v1alpha1::kind);
      if (options.group().empty() || options.open()) continue;
      out.kinds_.push_back(ReadKind(message));
    }
  }
  std::sort(out.kinds_.begin(), out.kinds_.end(),
            [](const KindInfo& a, const KindInfo& b) { return a.resource < b.resource; });
  return out;
}

}  // namespace xpu::api
